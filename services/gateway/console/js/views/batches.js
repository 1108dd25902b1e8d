// Batches: those among the newest jobs, a new one over a library's documents, and requeues of what failed.
import { get, send } from "../api.js";
import { html, useState } from "../html.js";
import { number, t, word } from "../i18n.js";
import { LibraryFilter, LibraryName, ownLibrary } from "../libraries.js";
import { useEvery, useLoaded } from "../loading.js";
import { link } from "../router.js";
import { may } from "../store.js";
import { Bar, Busy, Check, Choice, Confirm, Empty, Field, Section, Table, Trouble, When } from "../ui.js";

const NEWEST = 200;
const FORCES = ["force_reprocess_ocr", "force_reprocess_metadata", "force_reprocess_extraction"];

export function Batches() {
  const { data, error, loading, again } = useLoaded((signal) => seen(signal), []);
  useEvery(3000, again);
  return html`<h1>${t("nav.batches")}</h1>
    <${Trouble} error=${error} again=${again} />
    ${!data && html`<${Busy} on=${loading} />`}
    ${data && !data.length && html`<${Empty}>${t("batches.none")}<//>`}
    ${data?.length > 0 && html`<${Table} caption=${t("nav.batches")} rows=${data} identity=${(row) => row.batchId} columns=${[
      [t("batch"), (row) => html`<a class="name" href=${link(["jobs"], { batch: row.batchId })}>${row.name || row.batchId.slice(0, 8)}</a>`, "wide"],
      [t("library"), (row) => row.library, "roomy"],
      [t("progress"), (row) => html`<span class="progress"><${Bar} share=${row.ended / row.total} label=${t("progress")} state=${row.counts.failed ? "failed" : row.finished ? "completed" : "running"} /> ${number(row.ended)} / ${number(row.total)}</span>`],
      [t("status"), (row) => html`<span class="chips">${Object.entries(row.counts).map(([status, count]) => html`<span key=${status} class=${`badge ${status}`}>${word("status", status)} ${number(count)}</span>`)}</span>`],
      [t("created"), (row) => html`<${When} at=${row.at} />`, "roomy"],
    ]} />`}
    ${may("write") && html`<${Section} title=${t("batches.new")}><${NewBatch} onMade=${again} /><//>`}
    ${may("operate") && html`<${Section} title=${t("batches.requeue")}><${Requeue} /><//>`}`;
}

/** The batches of the newest jobs, newest first, with the counts of all their jobs. */
async function seen(signal) {
  const { jobs } = await get("/api/jobs", { limit: NEWEST }, signal);
  const found = new Map();
  for (const job of jobs) {
    const { batchId, batchName } = job.correlation;
    if (batchId && !found.has(batchId)) found.set(batchId, { batchId, name: batchName, library: job.libraryId, at: job.createdAt });
  }
  return Promise.all(
    [...found.values()].slice(0, 20).map(async (row) => {
      const counted = await get(`/api/batches/${encodeURIComponent(row.batchId)}`, {}, signal);
      return { ...row, ...counted, ended: (counted.counts.completed || 0) + (counted.counts.failed || 0) };
    }),
  );
}

function NewBatch({ onMade }) {
  const [library, choose] = useState(ownLibrary());
  const [name, title] = useState("");
  const [forces, force] = useState({});
  const [state, show] = useState(null);
  const [error, fail] = useState(null);
  const [busy, work] = useState(false);
  const start = async (event) => {
    event.preventDefault();
    work(true);
    fail(null);
    show(null);
    try {
      const documentIds = await everyDocument(library);
      if (!documentIds.length) throw new Error(t("documents.none"));
      const body = { documentIds, libraryId: library, name: name || null };
      for (const each of FORCES) if (forces[each]) body[each] = true;
      const made = await send("POST", "/api/batches", body);
      show(made.documents.reduce((sum, row) => ({ ...sum, [row.status]: (sum[row.status] || 0) + 1 }), {}));
      onMade();
    } catch (problem) {
      fail(problem);
    }
    work(false);
  };
  return html`<p class="quiet">${t("batches.lead")}</p>
    <form class="filters" onSubmit=${start}>
      <${LibraryName} value=${library} onChange=${choose} />
      <${Field} label=${t("batches.name")}><input value=${name} maxlength="200" onInput=${(event) => title(event.currentTarget.value)} /><//>
      ${FORCES.slice(0, 2).map((each) => html`<${Check} key=${each} label=${t(`batches.${each}`)} value=${Boolean(forces[each])} onChange=${(on) => force({ ...forces, [each]: on })} />`)}
      <button class="primary" type="submit" disabled=${busy}>${t("batches.start")}</button>
    </form>
    <${Trouble} error=${error} />
    ${state && html`<p class="notice" role="status">${Object.entries(state).map(([status, count]) => `${word("status", status)}: ${number(count)}`).join(", ")}</p>`}`;
}

async function everyDocument(library) {
  const ids = [];
  let cursor = "";
  do {
    const page = await get("/api/documents", { library, cursor, limit: 200 });
    ids.push(...page.documents.map((row) => row.documentId));
    cursor = page.cursor;
  } while (cursor && ids.length < 10000);
  return ids;
}

/** Requeues by filter: counted first, done when that has been seen. */
function Requeue() {
  const [library, choose] = useState("");
  const [from, start] = useState("");
  const [found, count] = useState(null);
  const [handle, follow] = useState(null);
  const [asking, ask] = useState(false);
  const [error, fail] = useState(null);
  const body = () => ({ status: "failed", ...(library ? { library } : {}), requeue: { reason: "console", ...(from ? { from } : {}) } });
  const tried = async (work) => {
    fail(null);
    try {
      await work();
    } catch (problem) {
      fail(problem);
    }
  };
  const look = () => tried(async () => count((await send("POST", "/api/jobs/requeue", { ...body(), dryRun: true })).found));
  const requeue = () =>
    tried(async () => {
      ask(false);
      count(null);
      follow(await send("POST", "/api/jobs/requeue", body()));
    });
  useEvery(handle && !handle.finished ? 500 : null, () => tried(async () => follow(await get(`/api/jobs/requeue/${handle.handle}`))));
  const reset = (set) => (value) => {
    set(value);
    count(null);
  };
  return html`<div class="filters">
      <${LibraryFilter} value=${library} onChange=${reset(choose)} />
      <${Choice} label=${t("requeue.from")} value=${from} onChange=${reset(start)} options=${[["", t("requeue.first_open")], ...["extract", "transform", "ingest"].map((name) => [name, word("phase", name)])]} />
      <button type="button" onClick=${look}>${t("batches.count")}</button>
      <button type="button" class="primary" disabled=${!found} onClick=${() => ask(true)}>${t("action.requeue")}</button>
    </div>
    ${found !== null && html`<p role="status">${t("batches.found", { count: number(found) })}</p>`}
    ${handle && html`<p class="notice" role="status">${t("batches.requeued", { done: number(handle.done), found: number(handle.found) })} ${handle.refusals > 0 && t("batches.refused", { count: number(handle.refusals) })}</p>`}
    ${handle?.error && html`<div class="notice bad" role="alert">${handle.error}</div>`}
    <${Trouble} error=${error} />
    <${Confirm} open=${asking} title=${t("batches.sure")} yes=${t("action.requeue")} onYes=${requeue} onNo=${() => ask(false)}><p>${t("batches.found", { count: number(found || 0) })}</p><//>`;
}
