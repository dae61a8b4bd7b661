// All is readable without this: it sorts tables by a click on a heading, hides what an entry of a legend stands for, and
// tells of the points of a plot, by mouse, finger and keyboard.
(() => {
  "use strict";
  document.documentElement.classList.add("js");

  // Tables.
  const number = (text) => {
    const digits = text.replace(/−/g, "-").replace(/(\d),(?=\d{3})/g, "$1").match(/^<?\s*[+-]?\d+(\.\d+)?/);
    return digits ? parseFloat(digits[0].replace("<", "")) : NaN;
  };
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
        const numeric = rows.every(({ text }) => text === "" || !Number.isNaN(number(text)));
        const order = (a, b) => (numeric ? number(a.text) - number(b.text) : a.text.localeCompare(b.text, "en"));
        // What is not known comes last, whichever way.
        const empty = (one) => (one.text === "" ? 1 : 0);
        rows.sort((a, b) => empty(a) - empty(b) || (empty(a) ? 0 : descending ? order(b, a) : order(a, b)));
        table.tBodies[0].append(...rows.map(({ row }) => row));
      });
    });
  }

  // Paper unfolds nothing by itself in browsers that know no ::details-content.
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));

  // What is told of a point.
  const told = document.createElement("div");
  told.id = "told";
  told.setAttribute("role", "status");
  document.body.append(told);
  const hide = () => {
    told.textContent = "";
    told.className = "";
    document.querySelectorAll(".pointed").forEach((point) => point.classList.remove("pointed"));
  };
  const tell = (point) => {
    hide();
    point.classList.add("pointed");
    told.textContent = point.dataset.told;
    told.className = "shown";
    const at = point.getBoundingClientRect();
    const own = told.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.right + 10), document.documentElement.clientWidth - own.width - 8);
    const below = at.bottom + 10 + own.height < window.innerHeight;
    told.style.left = `${Math.max(8, left)}px`;
    told.style.top = `${Math.max(8, below ? at.bottom + 10 : at.top - own.height - 10)}px`;
  };
  const visible = (point) => !point.closest(".off");

  for (const figure of document.querySelectorAll("figure")) {
    const off = new Set();
    const apply = () => {
      for (const part of figure.querySelectorAll("[data-family]")) {
        const families = part.dataset.family.split(" ").filter((family) => family !== "");
        part.classList.toggle("off", families.some((family) => off.has(family)));
      }
    };
    for (const entry of figure.querySelectorAll(".legend:not(.fixed) li")) {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Hide or show";
      button.setAttribute("aria-pressed", "true");
      button.append(...entry.childNodes);
      entry.append(button);
      button.addEventListener("click", () => {
        const family = entry.dataset.entry;
        if (!off.delete(family)) off.add(family);
        button.setAttribute("aria-pressed", String(!off.has(family)));
        hide();
        apply();
      });
    }
    for (const drawing of figure.querySelectorAll(".drawing > svg")) {
      const points = [...drawing.querySelectorAll(".point")];
      for (const point of points) {
        const title = point.querySelector("title");
        point.dataset.told = title ? title.textContent : "";
        if (title) title.remove();
      }
      if (points.length === 0) continue;
      const place = (point) => {
        const box = point.getBoundingClientRect();
        return { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2, small: box.width < 40 };
      };
      const nearest = (event) => {
        const own = event.target.closest(".point");
        if (own && visible(own)) return own;
        let best = null;
        let least = 18;
        for (const point of points.filter(visible)) {
          const { x, y, small } = place(point);
          const distance = Math.hypot(x - event.clientX, y - event.clientY);
          if (small && distance < least) [best, least] = [point, distance];
        }
        return best;
      };
      const look = (event) => {
        const point = nearest(event);
        if (point) tell(point);
        else hide();
      };
      drawing.addEventListener("pointermove", look);
      drawing.addEventListener("click", look);
      drawing.addEventListener("pointerleave", hide);
      // By keyboard: arrows go from point to point, from left to right.
      drawing.setAttribute("tabindex", "0");
      drawing.addEventListener("keydown", (event) => {
        if (event.key === "Escape") return hide();
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const order = points.filter(visible).sort((a, b) => place(a).x - place(b).x || place(a).y - place(b).y);
        if (order.length === 0) return;
        const now = order.findIndex((point) => point.classList.contains("pointed"));
        tell(order[(now < 0 ? (step > 0 ? 0 : order.length - 1) : now + step + order.length) % order.length]);
      });
      drawing.addEventListener("blur", hide);
    }
  }
  // What a pointer told of has moved away; what the keyboard did is followed.
  const follow = () => {
    const point = document.querySelector(".pointed");
    if (point && document.activeElement && document.activeElement.closest(".drawing")) tell(point);
    else hide();
  };
  window.addEventListener("scroll", follow, { passive: true });
})();
