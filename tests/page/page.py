"""Opens reports in Chromium and looks for what a reader would stumble over: see README.md."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

WIDTHS = [420, 800, 1280, 1920]
# Milliseconds: a page of many experiments, unfolded, is drawn in a minute or two.
PATIENCE = 600_000

# What lies outside, is cut off or lies over something else. Boxes are compared with a pixel and a half of tolerance: browsers round.
LOOK = """() => {
  const found = [];
  const window_width = document.documentElement.clientWidth;
  const slack = 1.5;
  const is_shown = (element) => {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return box.width > 0 && box.height > 0 && style.visibility !== "hidden";
  };
  const name = (element) => `${element.tagName.toLowerCase()} "${element.textContent.trim().slice(0, 60)}"`;
  if (document.documentElement.scrollWidth > window_width + 1)
    found.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${window_width}`);
  for (const element of document.querySelectorAll("body *")) {
    if (element.id === "told" || !is_shown(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.left < -slack || box.right > window_width + slack)
      found.push(`${name(element)} reaches from ${box.left.toFixed(0)} to ${box.right.toFixed(0)} of ${window_width}`);
    if (element instanceof HTMLElement && getComputedStyle(element).overflowX !== "visible"
        && element.scrollWidth > element.clientWidth + 1)
      found.push(`${name(element)} is cut off, or scrolls`);
  }
  // Cells that write over their neighbours.
  for (const cell of document.querySelectorAll("th, td, li, p, figcaption, h1, h2, h3")) {
    if (!is_shown(cell)) continue;
    const range = document.createRange();
    range.selectNodeContents(cell);
    const inner = range.getBoundingClientRect();
    const box = cell.getBoundingClientRect();
    if (inner.width > 0 && (inner.right > box.right + slack || inner.left < box.left - slack))
      found.push(`${name(cell)} is wider than its place`);
  }
  for (const svg of document.querySelectorAll(".drawing > svg")) {
    if (!is_shown(svg)) continue;
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter(is_shown).map((text) => ({ text, box: text.getBoundingClientRect() }));
    const title = svg.getAttribute("aria-label");
    for (const { text, box } of texts)
      if (box.left < frame.left - slack || box.right > frame.right + slack || box.top < frame.top - slack
          || box.bottom > frame.bottom + slack)
        found.push(`${title}: ${name(text)} is cut off`);
    // The height of a box is that of the font; letters take less.
    const squeezed = ({ left, right, top, bottom }) => {
      const spare = 0.22 * (bottom - top);
      return { left, right, top: top + spare, bottom: bottom - spare };
    };
    for (let i = 0; i < texts.length; i += 1)
      for (let j = i + 1; j < texts.length; j += 1) {
        const [a, b] = [squeezed(texts[i].box), squeezed(texts[j].box)];
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > slack && high > slack) found.push(`${title}: ${name(texts[i].text)} lies over ${name(texts[j].text)}`);
      }
    const smallest = Math.min(...texts.filter(({ text }) => !text.getAttribute("transform")).map(({ box }) => box.height));
    if (texts.length > 0 && smallest < 8) found.push(`${title}: a text is ${smallest.toFixed(1)} pixels high`);
  }
  return found;
}"""


def check_folds(page: Page) -> list[str]:
    """Whether the keyboard unfolds what is folded up; afterwards all is unfolded."""
    first = page.locator("details").first
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    found = [] if first.evaluate("one => one.open") else ["the keyboard does not unfold"]
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    return found


def check_script(page: Page) -> list[str]:
    """Whether tables sort, legends hide and points tell, by mouse and by keyboard."""
    found = []
    table = page.locator("table").first
    heads = table.locator("thead th button")
    column = min(2, heads.count() - 1)
    cells = lambda: [text.strip() for text in table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()]
    before = cells()
    heads.nth(column).click()
    up = cells()
    heads.nth(column).focus()
    page.keyboard.press("Enter")
    down = cells()
    filled = [cell for cell in up if cell]
    if len(set(filled)) > 1 and (sorted(before) != sorted(up) or [c for c in down if c][0] == filled[0]):
        found.append(f"the table does not sort: {up} {down}")
    if heads.nth(column).locator("xpath=..").get_attribute("aria-sort") != "descending":
        found.append("aria-sort does not say how the table is sorted")
    for figure in page.locator("figure").all():
        title = figure.locator(".part").inner_text()
        drawing = figure.locator(".drawing:visible > svg")
        buttons = figure.locator(".legend button")
        if buttons.count() > 0:
            visible = "e => [...e.querySelectorAll('g[data-family]')].filter(g => g.getBoundingClientRect().width > 0).length"
            all_parts = drawing.evaluate(visible)
            buttons.first.focus()
            page.keyboard.press("Space")
            fewer = drawing.evaluate(visible)
            if fewer >= all_parts or buttons.first.get_attribute("aria-pressed") != "false":
                found.append(f"{title}: the legend hides nothing ({all_parts} parts, then {fewer})")
            buttons.first.click()
            if drawing.evaluate(visible) != all_parts:
                found.append(f"{title}: the legend does not show again what it hid")
        if drawing.locator(".point").count() > 0:
            drawing.focus()
            page.keyboard.press("ArrowRight")
            told = page.locator("#told").inner_text()
            if not told.strip():
                found.append(f"{title}: the arrow keys tell of no point")
            page.keyboard.press("Escape")
            point = drawing.locator(".point").first
            point.scroll_into_view_if_needed()
            box = point.bounding_box()
            if box and box["width"] < 40:
                page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
                if not page.locator("#told").inner_text().strip():
                    found.append(f"{title}: the mouse tells of no point")
            page.mouse.move(0, 0)
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("reports", nargs="+", type=Path)
    arguments.add_argument("--shots", type=Path, help="keep what was seen in this folder")
    arguments.add_argument("--chromium", help="the browser's path, where it is not Playwright's own")
    arguments.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    options = arguments.parse_args()
    wrong = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        for report in options.reports:
            name = report.resolve().parent.name

            def tell(where: str, found: list[str]) -> None:
                nonlocal wrong
                wrong += len(found)
                print(f"{name}, {where}: {len(found) or 'nothing'} found")
                for one in found[:20]:
                    print(f"  {one}")

            for width in options.widths:
                for scheme in ["light", "dark"]:
                    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                    context.set_default_timeout(PATIENCE)
                    page = context.new_page()
                    errors: list[str] = []
                    page.on("pageerror", lambda error: errors.append(str(error)))
                    page.goto(report.resolve().as_uri())
                    found = page.evaluate(LOOK) if scheme == "light" else []
                    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
                    for one in violations:
                        nodes = "; ".join(node["html"][:100] for node in one["nodes"][:3])
                        found.append(f"axe {one['id']} ({one['impact']}, {len(one['nodes'])} times): {nodes}")
                    if options.shots:
                        options.shots.mkdir(parents=True, exist_ok=True)
                        page.screenshot(path=options.shots / f"{name}-{width}-{scheme}.png", full_page=True)
                    if page.locator("details").count() > 0:
                        found += check_folds(page)
                        if scheme == "light":
                            found += page.evaluate(LOOK)
                        if options.shots:
                            page.screenshot(path=options.shots / f"{name}-{width}-{scheme}-unfolded.png", full_page=True)
                    if scheme == "light":
                        found += check_script(page)
                    tell(f"{width} pixels, {scheme}", found + errors)
                    context.close()
            # On paper: A4 across, less its margins.
            context = browser.new_context(viewport={"width": 1032, "height": 700})
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.emulate_media(media="print")
            page.goto(report.resolve().as_uri())
            folded = "[...document.querySelectorAll('details')].filter((one) => one.lastElementChild.getBoundingClientRect().height === 0)"
            lost = page.evaluate(f"{folded}.length")
            tell("printed", page.evaluate(LOOK) + ([f"{lost} parts stay folded up on paper"] if lost else []))
            if options.shots:
                page.pdf(path=options.shots / f"{name}.pdf", prefer_css_page_size=True)
                page.screenshot(path=options.shots / f"{name}-print.png", full_page=True)
            context.close()
            # Without the script all is readable: it hides nothing and says nothing by itself. Where tables are cards, their headings are
            # what one sorts by, and there without the script for no one.
            texts, headings = [], Counter()
            for script in [True, False]:
                context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=script)
                page = context.new_page()
                page.goto(report.resolve().as_uri())
                texts.append(Counter(page.locator("main").inner_text().split()))
                headings = Counter(" ".join(page.locator("thead th").all_text_contents()).split())
                context.close()
            with_script, without = texts
            is_same = not (with_script - without - headings) and not (without - with_script)
            tell("without the script", [] if is_same else ["the text is another one"])
        browser.close()
    print(f"{wrong} in all")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
