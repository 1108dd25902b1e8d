// One document: the page as it looks beside what was made of it.
import { get, text } from "../api.js";
import { html, useEffect, useMemo, useState } from "../html.js";
import { bytes, moment, number, t, word } from "../i18n.js";
import { useLoaded } from "../loading.js";
import { parts } from "../markdown.js";
import { go, link } from "../router.js";
import { Badge, Busy, Empty, Facts, Table, Tabs, Trouble } from "../ui.js";
import { Chapters, Chunks, PageText } from "./document_text.js";
import { Images, Products } from "./document_things.js";
import { PageSheet } from "./page_sheet.js";
import { Records } from "./records.js";

export function DocumentPage({ id, query }) {
  const library = query.library || "default";
  const { data: document, error, loading, again } = useLoaded((signal) => get(`/api/documents/${id}`, { library }, signal), [id]);
  if (!document) return html`<${Busy} on=${loading} /><${Trouble} error=${error} again=${again} />`;
  return html`<${Opened} document=${document} query=${query} />`;
}

function Opened({ document, query }) {
  const id = document.documentId;
  const total = Math.max(document.pages, 1);
  const page = Math.min(Math.max(Number.parseInt(query.page, 10) || 1, 1), total);
  const tab = query.tab || "text";
  const show = (changes) => go(["documents", id], { ...query, ...changes }, { replace: true });
  const turn = (to) => to >= 1 && to <= total && show({ page: to, box: "" });
  const [lit, light] = useState([]);
  useEffect(() => light([]), [page, tab]);

  const twin = useLoaded((signal) => twinOf(document, signal), [id, document.revision]);
  const read = useMemo(() => parts(twin.data || ""), [twin.data]);
  const chunks = useLoaded((signal) => get(`/api/documents/${id}/chunks`, { page, scale: "small" }, signal), [id, page]);
  const cited = useMemo(() => boxesOf(query.box), [query.box]);
  const picture = (name) => `/api/documents/${id}/images/${encodeURIComponent(name)}`;
  const tabs = [
    ["text", t("tab.text")],
    ["chunks", t("chunks"), document.chunkCount],
    ["chapters", t("tab.chapters"), read.chapters.length],
    ["images", t("tab.images"), document.counts.images],
    ["products", t("tab.products"), document.counts.products],
    ["records", t("tab.records"), document.counts.records],
    ["history", t("tab.history")],
  ];
  const shared = { document, page, turn, light, picture };
  return html`
    <p class="crumbs"><a href=${link(["documents"])}>${t("nav.documents")}</a> / <a href=${link(["documents"], { library: document.libraryId })}>${document.libraryId}</a></p>
    <div class="title">
      <h1>${document.name}</h1>
      <${Badge} value=${document.status} title=${document.error} />
      ${document.lastJobId && html`<a class="button" href=${link(["jobs", document.lastJobId])}>${t("document.job")}</a>`}
    </div>
    ${document.error && html`<div class="notice bad">${document.error}</div>`}
    <div class="beside">
      <${PageSheet} document=${document} page=${page} total=${total} turn=${turn} chunks=${chunks.data?.chunks || []} lit=${lit} cited=${cited} />
      <${Tabs} label=${t("document.parts")} tabs=${tabs} value=${tab} onChange=${(name) => show({ tab: name })}>
        <${Trouble} error=${twin.error || chunks.error} />
        ${tab === "text" && html`<${PageText} ...${shared} text=${read.pages[page]} loading=${twin.loading} />`}
        ${tab === "chunks" && html`<${Chunks} ...${shared} rows=${chunks.data?.chunks} />`}
        ${tab === "chapters" && html`<${Chapters} ...${shared} chapters=${read.chapters} />`}
        ${tab === "images" && html`<${Images} ...${shared} />`}
        ${tab === "products" && html`<${Products} ...${shared} />`}
        ${tab === "records" && html`<${Records} ...${shared} />`}
        ${tab === "history" && html`<${History} document=${document} />`}
      <//>
    </div>`;
}

function twinOf(document, signal) {
  const kind = ["transformation", "transcript"].find((name) => name in document.artefacts);
  return kind ? text(`/api/documents/${document.documentId}/twin`, { kind }, signal) : Promise.resolve("");
}

/** Boxes of an address, x0,y0,x1,y1 each with a semicolon between; what is none is left out. */
export function boxesOf(given = "") {
  return given
    .split(";")
    .map((box) => box.split(",").map(Number))
    .filter((box) => box.length === 4 && box.every(Number.isFinite));
}

/** What happened to the document: its jobs, and what repairs did. */
function History({ document }) {
  const { data, error } = useLoaded((signal) => get("/api/jobs", { document: document.documentId, limit: 50 }, signal), [document.documentId]);
  const jobs = data?.jobs || [];
  const files = Object.entries(document.artefacts).map(([role, file]) => ({ role, ...file }));
  return html`<${Trouble} error=${error} />
    <h2>${t("history.jobs")}</h2>
    <${Table} caption=${t("history.jobs")} rows=${jobs} columns=${[
      [t("created"), (job) => html`<a href=${link(["jobs", job.jobId])}>${moment(job.createdAt)}</a>`],
      [t("job.kind"), (job) => word("operation", job.operation)],
      [t("status"), (job) => html`<${Badge} value=${job.shownStatus} />`],
    ]} />
    <h2>${t("history.repairs")}</h2>
    ${document.history.length ? html`<${Table} caption=${t("history.repairs")} rows=${[...document.history].reverse()} columns=${[
      [t("created"), (row) => moment(row.at)],
      [t("history.what"), (row) => word("repair", row.action)],
      [t("history.detail"), (row) => row.detail || row.state || "", "wide"],
    ]} />` : html`<${Empty}>${t("history.none")}<//>`}
    <h2>${t("history.about")}</h2>
    <${Facts} rows=${[
      [t("job.id"), html`<code>${document.documentId}</code>`],
      ["SHA-256", html`<code>${document.sha256}</code>`],
      [t("size"), bytes(document.size)],
      [t("pages"), number(document.pages)],
      [t("created"), moment(document.createdAt)],
      [t("changed"), moment(document.updatedAt)],
    ]} />
    <h2>${t("history.files")}</h2>
    <${Table} caption=${t("history.files")} rows=${files} columns=${[
      [t("history.role"), (row) => row.role],
      [t("size"), (row) => bytes(row.size), "number"],
      ["SHA-256", (row) => html`<code title=${row.sha256}>${row.sha256.slice(0, 12)}</code>`],
    ]} />`;
}
