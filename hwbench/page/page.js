"use strict";
// Sorting and filtering of tables; the curves at another size and price. All numbers are the file's.
(function () {
  document.querySelectorAll("table.sorts").forEach(function (table) {
    var body = table.tBodies[0];
    table.querySelectorAll("thead th").forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("thead th").forEach(function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        Array.from(body.rows).map(function (row) {
          var cell = row.cells[column], key = cell.dataset.key;
          return { row: row, number: key === undefined ? NaN : parseFloat(key), text: cell.textContent };
        }).sort(function (a, b) {
          var known = [!isNaN(a.number), !isNaN(b.number)];
          if (known[0] && known[1]) { return up ? a.number - b.number : b.number - a.number; }
          if (known[0] !== known[1]) { return known[0] ? -1 : 1; }  // what is not known comes last
          return up ? a.text.localeCompare(b.text) : b.text.localeCompare(a.text);
        }).forEach(function (entry) { body.appendChild(entry.row); });
      });
    });
  });
  document.querySelectorAll("input.filters").forEach(function (input) {
    var table = document.getElementById(input.dataset.table);
    input.addEventListener("input", function () {
      var wanted = input.value.toLowerCase();
      Array.from(table.tBodies[0].rows).forEach(function (row) {
        row.hidden = row.textContent.toLowerCase().indexOf(wanted) < 0;
      });
    });
  });

  var holder = document.getElementById("curves");
  if (!holder) { return; }
  var data = JSON.parse(holder.textContent), ways = data.ways, NS = "http://www.w3.org/2000/svg";
  var size = document.getElementById("size"), price = document.getElementById("price");
  var sizeSaid = document.getElementById("size-said"), priceSaid = document.getElementById("price-said");
  var what = document.getElementById("what"), svg = document.getElementById("live");
  var rows = document.getElementById("live-rows"), every = document.getElementById("every");
  var start = size.value, NAMED = data.colours.length, FEW = 10;
  var low = Math.log(data.samples[0]), high = Math.log(data.samples[data.samples.length - 1]);

  function at(xs, ys, x) {  // on the line through the known points, in logarithms
    var best = null;
    for (var i = 0; i + 1 < xs.length; i++) {
      if (ys[i] === null || ys[i + 1] === null || ys[i] <= 0 || ys[i + 1] <= 0) { continue; }
      if (x >= xs[i] * 0.999999 && x <= xs[i + 1] * 1.000001) {
        var share = (Math.log(x) - Math.log(xs[i])) / (Math.log(xs[i + 1]) - Math.log(xs[i]));
        best = Math.exp(Math.log(ys[i]) + share * (Math.log(ys[i + 1]) - Math.log(ys[i])));
      }
    }
    return best;
  }
  function three(value) { return Number(value.toPrecision(3)).toLocaleString("en"); }
  function duration(s) {
    if (s < 120) { return three(s) + " s"; }
    if (s < 7200) { return Math.round(s / 60) + " min"; }
    return s < 172800 ? three(s / 3600) + " h" : three(s / 86400) + " d";
  }
  function money(usd) { return "$" + (usd < 100 ? usd.toFixed(2) : Math.round(usd).toLocaleString("en")); }
  function element(name, attributes, text) {
    var made = document.createElementNS(NS, name);
    Object.keys(attributes).forEach(function (k) { made.setAttribute(k, attributes[k]); });
    if (text !== undefined) { made.textContent = text; }
    svg.appendChild(made);
    return made;
  }
  function draw() {
    // the plan's own size as it is, not as the slider's steps would have it
    var n = size.value === start ? data.chosen : Math.exp(low + (high - low) * size.value / 1000);
    var times = Math.pow(10, price.value / 100), kind = what.value;
    sizeSaid.textContent = Math.round(n).toLocaleString("en") + " samples";
    priceSaid.textContent = three(times) + " times today's";
    size.setAttribute("aria-valuetext", sizeSaid.textContent);
    price.setAttribute("aria-valuetext", priceSaid.textContent);
    var factor = kind === "cost_usd" ? times : 1, all = [];
    // with today's prices too, so that the lines move when the prices do
    ways.forEach(function (w) {
      w[kind].forEach(function (v) { if (v !== null && v > 0) { all.push(v, v * factor); } });
    });
    // those of the least have colours, the others are grey
    var ranked = ways.map(function (w, i) {
      return { way: w, time: at(data.samples, w.time_s, n), cost: at(data.samples, w.cost_usd, n) };
    }).sort(function (a, b) {
      var k = kind === "cost_usd" ? "cost" : "time";
      return (a[k] === null ? Infinity : a[k]) - (b[k] === null ? Infinity : b[k]);
    });
    while (svg.lastChild) { svg.removeChild(svg.lastChild); }
    if (all.length) {
      var bottom = Math.log(Math.min.apply(null, all)), top = Math.log(Math.max.apply(null, all)) + 1e-9;
      var X = function (x) { return 80 + 600 * (Math.log(x) - low) / (high - low); };
      var Y = function (y) { return 340 - 310 * (Math.log(y) - bottom) / (top - bottom); };
      var say = kind === "cost_usd" ? money : duration;
      for (var p = Math.ceil(bottom / Math.LN10); p <= top / Math.LN10; p++) {
        var y = Y(Math.pow(10, p));
        element("line", { x1: 80, x2: 680, y1: y, y2: y, "class": "grid" });
        element("text", { x: 74, y: y + 4, "text-anchor": "end" }, say(Math.pow(10, p)));
      }
      for (p = Math.ceil(low / Math.LN10); p <= high / Math.LN10; p++) {
        var x = X(Math.pow(10, p));
        element("line", { x1: x, x2: x, y1: 30, y2: 340, "class": "grid" });
        element("text", { x: x, y: 358, "text-anchor": "middle" }, Math.pow(10, p).toLocaleString("en"));
      }
      element("text", { x: 380, y: 378, "text-anchor": "middle" }, "samples of the dataset");
      ranked.slice().reverse().forEach(function (entry, reversed) {
        var rank = ranked.length - 1 - reversed, w = entry.way;
        var points = data.samples.map(function (s, j) {
          var v = w[kind][j];
          return v === null || v <= 0 ? null : X(s).toFixed(1) + "," + Y(v * factor).toFixed(1);
        }).filter(Boolean);
        var line = element("polyline", { points: points.join(" "), fill: "none" });
        if (rank < NAMED) {
          line.setAttribute("stroke", data.colours[rank]);
          line.setAttribute("stroke-width", 2);
        } else {
          line.setAttribute("class", "others");
        }
        var title = document.createElementNS(NS, "title");
        title.textContent = w.name;
        line.appendChild(title);
      });
      element("line", { x1: X(n), x2: X(n), y1: 30, y2: 340, "class": "axis", "stroke-dasharray": "4 3" });
    }
    while (rows.lastChild) { rows.removeChild(rows.lastChild); }
    ranked.slice(0, every.checked ? ranked.length : FEW).forEach(function (w, rank) {
      var row = rows.insertRow(), name = row.insertCell();
      if (rank < NAMED) {
        var dot = document.createElement("span");
        dot.setAttribute("aria-hidden", "true");
        dot.textContent = "\u25A0 ";
        dot.style.color = data.colours[rank];
        name.appendChild(dot);
      }
      name.appendChild(document.createTextNode(w.way.name));
      [w.time === null ? "-" : duration(w.time), w.cost === null ? "-" : money(w.cost * times)]
        .forEach(function (told) {
          var cell = row.insertCell();
          cell.className = "figure";
          cell.textContent = told;
        });
    });
  }
  [size, price, what, every].forEach(function (input) { input.addEventListener("input", draw); });
  draw();
})();
