/* STREAM's triad, a = b + s c, in single precision: prints the seconds of each pass.
   After McCalpin, https://www.cs.virginia.edu/stream/; written for hwbench.
   usage: triad ELEMENTS PASSES */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const size_t n = strtoull(argv[1], NULL, 10);
    const int passes = atoi(argv[2]);
    float *restrict a = malloc(n * sizeof *a);
    float *restrict b = malloc(n * sizeof *b);
    float *restrict c = malloc(n * sizeof *c);
    if (!a || !b || !c || passes < 1) return 1;
#pragma omp parallel for schedule(static) /* each thread touches first what it will use */
    for (size_t i = 0; i < n; i++) {
        a[i] = 0.0f;
        b[i] = (float)(i % 7);
        c[i] = (float)(i % 5);
    }
    for (int pass = 0; pass < passes; pass++) {
        const float s = 3.0f + (float)pass; /* a new value: no pass may be left out */
        const double start = omp_get_wtime();
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < n; i++) a[i] = b[i] + s * c[i];
        printf("%.9f\n", omp_get_wtime() - start);
    }
    const size_t at = n / 2; /* the answer is looked at, and has to be right */
    const float right = (float)(at % 7) + (3.0f + (float)(passes - 1)) * (float)(at % 5);
    return a[at] == right ? 0 : 3;
}
