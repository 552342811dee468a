// The page's one script. The server renders every panel; this asks for those again that an event
// concerns, four times a second at most, and says when the stream has gone quiet. The server breaks its
// silence every two seconds; with STALE_MS and LOOK_MS a page has said within five that nobody is there,
// whether the process is gone, stopped or wedged.
const EVERY_MS = 250, STALE_MS = 4000, LOOK_MS = 500, SLOW_MS = 5000, RETRY_MS = 1000, SAID_MS = 30000;
const $ = (id) => document.getElementById(id);
const steps = document.querySelector("main").dataset.steps.split(" "); // every event there may be
const panels = [...document.querySelectorAll("section[data-panel]")].map((it) => it.dataset.panel);
const interested = new Map(); // event name -> panels
for (const it of document.querySelectorAll("section[data-on]"))
  for (const name of it.dataset.on.split(" ").filter(Boolean))
    interested.set(name, [...(interested.get(name) ?? []), it.dataset.panel]);

const due = new Map(); // panel -> the last event that concerns it
const left = new Set(); // lines of the arena's chart that nobody wants to see
let scale = "lin";
let dirty = new Set(), asking = false, heard = Date.now(), down = "", token = "", source, picked = "all";
let waiting = new Set(); // what waits for a person
const sent = new Set(); // commands that are not answered yet
let unsaid; // takes the last answer away

// --- what is shown -------------------------------------------------------------------------------
// What has an id or a key of its own is the same thing only under the same one: neither a typed note nor
// the focus may pass from one proposal to the next, and what is gone takes nothing along of what stays.
const same = (a, b) =>
  a.nodeName === b.nodeName && a.id === b.id && a.dataset?.id === b.dataset?.id && a.dataset?.key === b.dataset?.key;

// Changes what differs and leaves the rest alone, so that nothing that a person uses goes away under it.
function settle(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (!same(old, fresh)) { old.replaceWith(fresh); return; }
  if (old.nodeType !== Node.ELEMENT_NODE) { old.nodeValue = fresh.nodeValue; return; }
  for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const stays = new Set([...fresh.children].map((it) => it.dataset.id));
  for (const it of [...old.children]) if (it.dataset.id && !stays.has(it.dataset.id)) it.remove();
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  after.forEach((it, nth) => (before[nth] ? settle(before[nth], it) : old.append(it)));
  before.slice(after.length).forEach((it) => it.remove());
}

// Another process may have taken the address: under this page's badge, frame and token its figures would lie.
function isOurs(told) {
  document.title = told.dataset.title;
  if (told.dataset.of === document.body.dataset.of) return true;
  location.reload();
  return false;
}

function replace(fresh) {
  const old = $(fresh.id), told = fresh.querySelector("[data-of]");
  if (!old || (told && !isOurs(told))) return;
  const open = new Set([...old.querySelectorAll("details[open][data-key]")].map((it) => it.dataset.key));
  const was = old.contains(document.activeElement);
  settle(old, fresh);
  // Whatever had the focus is gone: the panel has it, and no other proposal.
  if (was && !old.contains(document.activeElement)) old.focus({ preventScroll: true });
  // The server shows a drawing to everybody for a quarter of a second: it may be older than what was heard.
  if (Number(fresh.dataset.knows) < (due.get(fresh.id) ?? 0)) dirty.add(fresh.id);
  for (const it of old.querySelectorAll("details[data-key]")) if (open.has(it.dataset.key)) it.open = true;
  sift();
  countdown();
  if (fresh.id === "approvals") announce();
}

// Whoever is read to hears a text again whenever it is written, even if it is the same one.
function put(it, text) {
  if (it.textContent !== text) it.textContent = text;
}

// What begins to wait is said, wherever on the page a person is.
function announce() {
  const all = [...document.querySelectorAll("#approvals [data-id]")];
  const newest = all.filter((it) => !waiting.has(it.dataset.id)).pop();
  const [many, asks] = [all.length, newest?.querySelector("b")?.textContent];
  if (!newest && many === waiting.size) return;
  waiting = new Set(all.map((it) => it.dataset.id));
  const said = many === 1 ? "1 proposal waits for you" : many ? `${many} proposals wait for you` : "";
  put($("waiting"), said && asks ? `${said}, the newest: ${asks}` : said);
}

// Seconds in the unit that a person would take.
function span(seconds) {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60), rest = minutes % 60;
  if (minutes < 120) return `${minutes} min`;
  return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${minutes / 60} h`;
}

// What waits for a person waits until a moment: how long that is still off.
function countdown() {
  for (const it of document.querySelectorAll("[data-until]")) {
    const left = Math.ceil((Date.parse(it.dataset.until) - Date.now()) / 1000);
    put(it, left <= 0 ? "(now)" : `(${span(left)} left)`);
  }
}

async function refresh() {
  if (asking || dirty.size === 0 || document.hidden || down) return;
  asking = true;
  const wanted = [...dirty];
  dirty = new Set();
  try {
    const answer = await fetch(`/panels?names=${wanted.join(",")}`, { cache: "no-store", signal: AbortSignal.timeout(SLOW_MS) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    page.querySelectorAll("section[data-panel]").forEach(replace);
  } catch {
    wanted.forEach((it) => dirty.add(it));
  } finally {
    asking = false;
  }
}

// --- the stream ----------------------------------------------------------------------------------
function alive() {
  heard = Date.now();
  if (!down) return;
  down = "";
  $("stale").hidden = $("silent").hidden = true;
  put($("link"), "connected");
  due.clear(); // the next process may count anew
  panels.forEach((it) => dirty.add(it)); // nothing that happened meanwhile may be missing
}

const GONE = "The process does not answer.", SILENT = "Nothing is heard of the process.";

function quiet(why) {
  // Once nobody answers it is no news that nothing is heard.
  if (down === why || down === GONE) return;
  down = why;
  $("stale").hidden = $("silent").hidden = false;
  put($("stale"), `${why} What you see may be old. This page goes on by itself when the process is back.`);
  put($("link"), "not connected");
  tick();
}

function tick() {
  if (down) put($("silent"), `The last word came ${span(Math.round((Date.now() - heard) / 1000))} ago.`);
}

// A browser keeps six connections to a process and a stream holds one, so a page that nobody sees has none:
// a halt from the page in front must not wait behind those in the back.
function connect() {
  source?.close();
  if (document.hidden) return;
  source = new EventSource("/api/v1/events?beat=1");
  source.onopen = () => { put($("link"), "connected"); alive(); };
  source.onerror = () => {
    quiet(GONE);
    // A browser gives up for good on some answers; a fresh stream never does.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  };
  for (const name of new Set([...steps, ...interested.keys(), "beat", "gap"]))
    source.addEventListener(name, (event) => {
      alive();
      for (const it of name === "gap" ? panels : interested.get(name) ?? []) {
        dirty.add(it);
        due.set(it, Number(event.lastEventId));
      }
    });
}

setInterval(refresh, EVERY_MS);
setInterval(() => {
  if (!document.hidden && Date.now() - heard > STALE_MS) quiet(SILENT);
  tick();
  countdown();
}, LOOK_MS);
setInterval(() => { if (!document.hidden) dirty.add("now").add("logs"); }, SLOW_MS);
document.addEventListener("visibilitychange", () => {
  heard = Date.now();
  connect();
  if (!document.hidden) panels.forEach((it) => dirty.add(it));
});

// --- what a person does --------------------------------------------------------------------------
function say(text) {
  put($("said"), text);
  clearTimeout(unsaid);
  unsaid = setTimeout(() => put($("said"), ""), SAID_MS);
}

async function command(path, reason) {
  if (sent.has(path)) return; // a key that is held orders once
  token = $("token").value.trim();
  if (!token) { say("Paste the operator's token first: it is in the file `token` of the run's directory."); $("token").focus(); return; }
  sent.add(path);
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ reason }),
      signal: AbortSignal.timeout(SLOW_MS),
    });
    const told = await answer.json().catch(() => ({}));
    const code = `${told.code ?? answer.status}`, why = (told.message ?? "").replace(`${code}: `, "");
    say(answer.ok ? told.text ?? "Done." : `Refused (${code}): ${why}`);
  } catch {
    say("The process did not answer; nothing is known of what became of it.");
  } finally {
    sent.delete(path);
  }
  panels.forEach((it) => dirty.add(it));
}

function confirmed(word) {
  const box = $("sure");
  $("sure-word").textContent = word;
  $("sure-what").textContent = document.querySelector(`button[data-word="${word}"]`).title;
  $("sure-typed").value = $("sure-said").textContent = "";
  $("sure-why").value = "";
  box.returnValue = "";
  box.showModal();
  box.onclose = () => {
    if (box.returnValue !== "do") return;
    if (!isTyped()) { say(`Nothing was done: the word is ${word}.`); return; }
    command(`/api/v1/${word}`, $("sure-why").value);
  };
}

const isTyped = () => $("sure-typed").value.trim().toLowerCase() === $("sure-word").textContent;

// Enter does it once the word is right, and says what is missing before.
$("sure").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.closest("input")) return;
  event.preventDefault();
  if (isTyped()) $("sure").close("do");
  else put($("sure-said"), `Nothing is done before the word is ${$("sure-word").textContent}.`);
});

function answer(item, yes) {
  const id = item.dataset.id;
  const note = item.querySelector("input")?.value ?? "";
  command(`/api/v1/approvals/${encodeURIComponent(id)}/${yes ? "approve" : "deny"}`, note);
}

function sift() {
  for (const it of document.querySelectorAll(".round")) it.classList.toggle("hidden", picked !== "all" && !it.classList.contains(picked));
  for (const it of document.querySelectorAll("button[data-sift]")) it.setAttribute("aria-pressed", it.dataset.sift === picked);
  for (const it of document.querySelectorAll("[data-curve]"))
    it.classList.toggle("hidden", left.has(it.dataset.curve) || it.dataset.scale !== scale);
  const wanted = $("find-chat")?.value.trim().toLowerCase() ?? "", talked = [...document.querySelectorAll(".chat")];
  const found = talked.filter((it) => it.textContent.toLowerCase().includes(wanted));
  for (const it of talked) it.classList.toggle("hidden", !found.includes(it));
  if ($("found-chat")) $("found-chat").textContent = wanted ? `${found.length} of ${talked.length}` : "";
}

// Which lines are left out of the arena's chart, and what is looked for.
document.addEventListener("input", ({ target }) => {
  if (target.dataset.line) left[target.checked ? "delete" : "add"](target.dataset.line);
  else if (target.dataset.scale) scale = target.checked ? "log" : "lin";
  else if (target.id !== "find-chat") return;
  sift();
});

document.addEventListener("click", (event) => {
  const it = event.target.closest("button");
  if (!it) return;
  if (it.dataset.word) confirmed(it.dataset.word);
  else if (it.dataset.answer) answer(it.closest("[data-id]"), it.dataset.answer === "approve");
  else if (it.dataset.sift) { picked = it.dataset.sift; sift(); }
  else if (it.dataset.close) $("sure").close(it.dataset.close);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest("input,dialog")) return;
  // Only what has the focus is answered: no key says yes to something that nobody looks at.
  const item = event.target.closest("[data-id]");
  if (event.key === "a" && item) answer(item, true);
  else if (event.key === "d" && item) answer(item, false);
  else if (event.key === "h") { event.preventDefault(); confirmed("halt"); } // or the word begins with it
  else if (event.key === "?") $("keys").open = !$("keys").open;
});

announce();
connect();
