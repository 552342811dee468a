// What a page must hold for everybody: names for what can be used, ids once, contrast, no scrolling sideways.
const said = [];
// What is below the fold is looked at like the rest.
for (const it of document.querySelectorAll("section")) it.style.contentVisibility = "visible";
const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
for (const id of ids.filter((it, nth) => ids.indexOf(it) !== nth)) said.push(`the id ${id} twice`);
const name = (it) =>
  (it.getAttribute("aria-label") || it.textContent || it.title || "").trim() ||
  [...(it.labels ?? [])].map((label) => label.textContent).join("").trim();
for (const it of document.querySelectorAll("button,input,a[href],summary"))
  if (!name(it)) said.push(`no name: ${it.outerHTML.slice(0, 80)}`);
for (const it of document.querySelectorAll("svg:not([aria-hidden=true])"))
  if (!["img", "group"].includes(it.getAttribute("role")) || !it.getAttribute("aria-label")) said.push(`a picture without words in ${it.closest("[id]")?.id}`);
const heads = [...document.querySelectorAll("h1,h2,h3")].map((it) => Number(it.tagName[1]));
heads.forEach((level, nth) => { if (nth && level > heads[nth - 1] + 1) said.push(`a heading of level ${level} behind ${heads[nth - 1]}`); });
const rgb = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
const light = ([r, g, b]) => {
  const part = (it) => ((it /= 255) <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const ground = (it) => {
  for (; it; it = it.parentElement) {
    const found = rgb(getComputedStyle(it).backgroundColor);
    if (found.length === 3 || found[3] > 0.99) return found;
  }
  return [255, 255, 255];
};
for (const it of document.querySelectorAll("body *:not(svg *):not(script):not(style)")) {
  const own = [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !it.offsetParent) continue;
  const [a, b] = [light(rgb(getComputedStyle(it).color)), light(ground(it))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) said.push(`contrast ${ratio.toFixed(2)}: ${it.textContent.trim().slice(0, 40)}`);
}
if (document.documentElement.scrollWidth > document.documentElement.clientWidth + 1) said.push("it scrolls sideways");
return [...new Set(said)];
