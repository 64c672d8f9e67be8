// Sends what is dropped, and tells the verdict. Text of logs is only ever set as text.
"use strict";

const page = (id) => document.getElementById(id);
const FORMS = [["html", "text/html"], ["markdown", "text/markdown"], ["text", "text/plain"], ["json", "application/json"]];
const ENDS = { html: "html", markdown: "md", text: "txt", json: "json" };
let asked = 0;

page("token-row").hidden = document.body.dataset.token !== "wanted";

function node(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// What acts on a screen or turns text round is shown as a sign.
function plain(text) {
  return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, "\ufffd");
}

function headers(more) {
  const token = page("token").value.trim();
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function send(body, name) {
  const mine = ++asked;
  page("verdict").hidden = true;
  status("Reading " + plain(name) + " …");
  try {
    const answer = await fetch("/v1/reports?name=" + encodeURIComponent(name), {
      method: "POST", body, headers: headers({ "Content-Type": "application/octet-stream", Accept: "application/json" }),
    });
    const told = await answer.json();
    if (mine !== asked) return;
    if (!answer.ok) return fail(told.error);
    status("");
    tell(told, answer.headers.get("Location"));
  } catch (error) {
    if (mine === asked) fail({ reason: "The server did not answer: " + error.message, way_on: "", code: "page.network" });
  }
}

function status(text, kind) {
  page("status").textContent = text;
  page("status").className = kind || "faint";
}

function fail(error) {
  status((error.place ? plain(error.place) + ": " : "") + plain(error.reason) + (error.way_on ? " (" + plain(error.way_on) + ")" : "") + " [" + plain(error.code) + "]", "error");
}

function tell(report, place) {
  const into = page("verdict");
  into.replaceChildren();
  const first = report.findings[0];
  into.append(node("span", report.outcome.toUpperCase(), "badge " + report.outcome));
  into.append(node("h2", plain(report.headline)));
  if (first) into.append(node("p", plain(first.explanation)));
  if (first && report.outcome === "diagnosed") {
    const about = node("p", undefined, "faint");
    about.append("Cause ", node("code", first.cause), ", " + first.confidence + "; read: " + report.inputs.reduce((sum, input) => sum + input.lines, 0).toLocaleString("en") + " lines.");
    into.append(about);
    list(into, "What to do, best first", first.fixes.map((fix) => [fix.title + " (" + fix.risk + ")", fix.commands.map((words) => words.join(" ")).join("\n")]));
  }
  list(into, "What to collect", report.ask.map((ask) => [ask.what, ask.command]));
  lines(into, "Evidence", first ? first.evidence : []);
  lines(into, "Failures that this does not explain", report.unexplained);
  list(into, "Notes", report.notes.map((note) => [note.source + ": " + note.what, ""]));
  if (place) into.append(whole(place));
  into.hidden = false;
  into.scrollIntoView({ block: "nearest" });
}

function list(into, title, items) {
  if (!items.length) return;
  const all = node("ol");
  for (const [what, command] of items) {
    const item = node("li", plain(what));
    if (command) item.append(node("pre", plain(command)));
    all.append(item);
  }
  into.append(node("h3", title), all);
}

function lines(into, title, evidence) {
  if (!evidence.length) return;
  into.append(node("h3", title));
  for (const one of evidence) {
    const figure = node("figure");
    const caption = node("figcaption");
    caption.append(node("b", one.id), " " + plain(one.source) + ":" + one.line + (one.count > 1 ? ", " + one.count + " times" : ""));
    figure.append(caption, node("pre", plain(one.text)));
    into.append(figure);
  }
}

// The whole report, to be kept: fetched with the token, which a link could not carry.
function whole(place) {
  const row = node("div", undefined, "whole");
  for (const [form, mime] of FORMS) {
    const button = node("button", "Report as " + form, "plain");
    button.type = "button";
    button.addEventListener("click", () => keep(place, form, mime));
    row.append(button);
  }
  return row;
}

async function keep(place, form, mime) {
  const answer = await fetch(place, { headers: headers({ Accept: mime }) });
  if (!answer.ok) return fail((await answer.json()).error);
  const link = node("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = "report." + ENDS[form];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const drop = page("drop");
for (const name of ["dragover", "dragenter"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) send(file, file.name);
});
// What misses the field does not lead away from the page.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
page("file").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (file) send(file, file.name);
  event.target.value = "";
});
page("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page("lines").value;
  if (text.trim()) send(text, "pasted lines");
});
