// The jobs: filters in the address, newest first, kept up to date while they are looked at.
import { get } from "../api.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { duration, t, word } from "../i18n.js";
import { LibraryFilter } from "../libraries.js";
import { useEvery, useLoaded, useSettled } from "../loading.js";
import { go, link } from "../router.js";
import { Badge, Bar, Busy, Choice, Empty, Field, More, Table, Trouble, When } from "../ui.js";

const FIRST = 100;
const FURTHER = 200;
const STATUSES = ["queued", "running", "completed", "failed"];
export const SOON = 2000;

export function Jobs({ query }) {
  const [typed, type] = useState(query.text || "");
  const wanted = useSettled(typed);
  const filter = (changes) => go(["jobs"], { ...query, ...changes }, { replace: true });
  useEffect(() => {
    if (wanted !== (query.text || "")) filter({ text: wanted });
  }, [wanted]);
  return html`<h1>${t("nav.jobs")}</h1>
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label=${t("status")} value=${query.status || ""} onChange=${(status) => filter({ status })}
        options=${[["", t("all")], ...STATUSES.map((name) => [name, word("status", name)])]} />
      <${LibraryFilter} value=${query.library || ""} onChange=${(library) => filter({ library })} />
      <${Field} label=${t("text")}>
        <input type="search" value=${typed} placeholder=${t("jobs.text")} maxlength="200" onInput=${(event) => type(event.currentTarget.value)} />
      <//>
      ${query.batch && html`<p class="chip">${t("batch")} <code>${query.batch.slice(0, 8)}</code>
        <button type="button" aria-label=${t("jobs.no_batch")} onClick=${() => filter({ batch: "" })}>×</button></p>`}
    </form>
    <${JobTable} filter=${{ status: query.status, library: query.library, batch: query.batch, text: query.text }} />`;
}

/** Jobs that fit the filter. The first page is asked for again and again; what was loaded behind it stays. */
export function JobTable({ filter }) {
  const wants = Object.values(filter).map((value) => value || "");
  const load = (cursor, signal) => get("/api/jobs", { ...filter, cursor, limit: cursor ? FURTHER : FIRST }, signal);
  const first = useLoaded((signal) => load("", signal), wants);
  const [rest, setRest] = useState({ jobs: [], cursor: null, loading: false, error: null });
  useEffect(() => setRest({ jobs: [], cursor: null, loading: false, error: null }), wants);
  useEvery(SOON, first.again);
  const head = first.data?.jobs || [];
  const former = useRef([]);
  useEffect(() => {
    // New jobs push others from the first page to behind it, where nobody asks for them again.
    const last = head.at(-1);
    const pushed = rest.looked && last ? former.current.filter((job) => newestFirst(last, job) < 0) : [];
    if (pushed.length) setRest((before) => ({ ...before, jobs: [...pushed, ...before.jobs] }));
    former.current = head;
  }, [first.data]);
  const rows = [...new Map([...rest.jobs, ...head].map((job) => [job.jobId, job])).values()].sort(newestFirst);
  const cursor = rest.jobs.length || rest.looked ? rest.cursor : first.data?.cursor;
  const more = async () => {
    setRest({ ...rest, loading: true, error: null });
    try {
      const page = await load(cursor);
      setRest({ jobs: [...rest.jobs, ...page.jobs], cursor: page.cursor, loading: false, looked: true, error: null });
    } catch (error) {
      setRest({ ...rest, loading: false, error });
    }
  };
  return html`<${Trouble} error=${first.error || rest.error} again=${first.again} />
    ${!first.data && html`<${Busy} on=${first.loading} />`}
    ${first.data && !rows.length && !cursor && html`<${Empty}>${t("jobs.none")} <a href=${link(["upload"])}>${t("nav.upload")}</a><//>`}
    ${rows.length > 0 && html`<${Table} caption=${t("nav.jobs")} columns=${columns()} rows=${rows} identity=${(job) => job.jobId} />`}
    <${More} cursor=${cursor} onMore=${more} loading=${rest.loading} />`;
}

/** As the gateway sorts them. */
function newestFirst(one, other) {
  return new Date(other.createdAt) - new Date(one.createdAt) || (one.jobId < other.jobId ? 1 : -1);
}

function columns() {
  return [
    [t("document"), (job) => html`<a class="name" href=${link(["jobs", job.jobId])}>${job.correlation.source.name}</a>
      ${job.operation !== "extract" && html` <span class="count">${word("operation", job.operation)}</span>`}`, "wide"],
    [t("library"), (job) => job.libraryId, "roomy"],
    [t("status"), (job) => html`<${Badge} value=${job.shownStatus} title=${job.error?.message} />`],
    [t("progress"), progress],
    [t("started"), (job) => html`<${When} at=${job.createdAt} />`, "roomy"],
    [t("took"), (job) => duration(taken(job)), "roomy number"],
  ];
}

function progress(job) {
  if (job.status === "failed") return html`<span class="quiet">${job.error?.code}</span>`;
  const percent = job.status === "completed" ? 100 : job.progress?.percent || 0;
  const step = job.status === "running" ? word("step", job.progress?.step || job.lease?.step || "") : "";
  return html`<span class="progress"><${Bar} share=${percent / 100} label=${t("progress")} state=${job.status} /> <span class="quiet">${step}</span></span>`;
}

/** Seconds from the first step's start to the last one's end, or until now. */
export function taken(job) {
  const began = job.steps.map((step) => step.startedAt).filter(Boolean).sort()[0];
  if (!began) return null;
  const open = job.status === "running" || job.status === "queued";
  return (new Date(open ? Date.now() : job.updatedAt) - new Date(began)) / 1000;
}
