"use strict";
// Lists of rows can be narrowed down by choices and by words; so many rows are shown at a time. Of several curves one
// is chosen. The address holds what is asked for, `#list&filter=choice`, so that it can be sent, and so that links can
// ask.
const PORTION = 20;
const lists = new Map();
// The first of some curves is there unasked.
const isAsked = (one) => (one.dataset.unasked === undefined ? one.value : one.value !== one.dataset.unasked);

// All that is asked: of the list in the plain names of its filters, of others with their own before it.
function remembered(block) {
  const asked = new URLSearchParams();
  for (const [key, { controls }] of [[block.id, lists.get(block.id)], ...lists]) {
    const name = (one) => (key === block.id ? one.name : `${key}.${one.name}`);
    for (const one of controls) if (isAsked(one)) asked.set(name(one), one.value);
  }
  try {
    history.replaceState(null, "", `#${block.id}${asked.size ? "&" + asked : ""}`);
  } catch {
    // A page within another, as notebooks show it, may have no address of its own.
  }
}

for (const block of document.querySelectorAll("[data-rows]")) {
  const filters = block.querySelector(".filters");
  if (!filters) continue;
  const rows = Array.from(block.querySelectorAll("ol.rows > li"), (item) => ({
    item,
    groups: JSON.parse(item.dataset.groups),
    text: Array.from(item.querySelectorAll("[data-texts] bdi"), (text) => text.textContent).join("\n").toLowerCase(),
  }));
  const selects = Array.from(filters.querySelectorAll("select"));
  const words = filters.querySelector("[data-words]");
  const controls = words ? [...selects, words] : selects;
  const count = filters.querySelector("[data-count]");
  const clear = filters.querySelector("[data-clear]");
  const more = block.querySelector("[data-more]");
  let most = PORTION;
  let absent = [];  // choices of the address that are not there

  function show() {
    const wanted = (words?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter(
      (row) =>
        selects.every((select, place) => !select.value || [row.groups[place]].flat().includes(select.value)) &&
        wanted.every((word) => row.text.includes(word)),
    );
    const shown = new Set(found.slice(0, most));
    for (const row of rows) row.item.hidden = !shown.has(row);
    const matching =
      found.length === rows.length ? `${rows.length} ${rows.length === 1 ? "row" : "rows"}` : `${found.length} of ${rows.length} listed rows match`;
    const said = shown.size < found.length ? `${matching}, the first ${shown.size} are shown` : matching;
    count.textContent = absent.length ? `${said}; no listed row has what the address asks for: ${absent.join(", ")}` : said;
    more.hidden = shown.size === found.length;
    more.textContent = `Show ${Math.min(PORTION, found.length - shown.size)} more`;
    clear.hidden = controls.every((control) => !control.value);
  }

  function again() {
    most = PORTION;
    show();
  }

  function remember() {
    absent = [];
    again();
    remembered(block);
  }

  function ask(asked) {
    absent = [];
    for (const control of controls) {
      const value = asked.get(control.name) ?? "";
      control.value = value;
      if (control.value === value) continue;
      absent.push(value);
      control.value = "";
    }
    again();
  }

  for (const control of controls) control.addEventListener("input", remember);
  clear.addEventListener("click", () => {
    for (const control of controls) control.value = "";
    remember();
    controls[0]?.focus();
  });
  more.addEventListener("click", () => {
    most += PORTION;
    show();
    rows.filter((row) => !row.item.hidden)[most - PORTION]?.item.scrollIntoView({ block: "nearest" });
  });
  lists.set(block.id, { controls, ask });
  filters.hidden = false;
  show();
}

for (const block of document.querySelectorAll("[data-choose]")) {
  const select = block.querySelector("select");
  const parts = Array.from(block.querySelectorAll("[data-choice]"));
  const show = () => {
    for (const part of parts) part.toggleAttribute("hidden", part.dataset.choice !== String(select.selectedIndex));
  };
  select.addEventListener("input", () => {
    show();
    remembered(block);
  });
  const ask = (asked) => {
    select.value = asked.get(select.name) ?? "";
    if (select.selectedIndex === -1) select.selectedIndex = 0;
    show();
  };
  select.dataset.unasked = select.options[0].value;
  lists.set(block.id, { controls: [select], ask });
  block.querySelector(".filters").hidden = false;
  show();
}

// Without this script they lead to the whole list.
for (const link of document.querySelectorAll("a[data-asks]")) link.setAttribute("href", link.dataset.asks);

function follow() {
  const [key, ...asked] = location.hash.slice(1).split("&");
  const all = [...new URLSearchParams(asked.join("&"))];
  for (const [own, { ask }] of lists) {
    const before = own === key ? "" : `${own}.`;
    const found = all.filter(([name]) => name.startsWith(before)).map(([name, value]) => [name.slice(before.length), value]);
    // Of an address that asks nothing at all, such as the page's own, nothing is asked; links to parts leave the others.
    if (own === key || found.length || !key) ask(new URLSearchParams(found));
  }
  if (lists.has(key)) document.getElementById(key).scrollIntoView({ behavior: "instant" });
}

addEventListener("hashchange", follow);
if (location.hash) follow();
