// The system: who is there, what waits, and what is in work.
import { get } from "../api.js";
import { html } from "../html.js";
import { duration, number, t, word } from "../i18n.js";
import { useEvery, useLoaded } from "../loading.js";
import { link } from "../router.js";
import { access } from "../store.js";
import { Badge, Bar, Busy, Empty, Facts, Section, Table, Trouble } from "../ui.js";
import { SOON } from "./jobs.js";

export function System() {
  const { data, error, loading, again } = useLoaded((signal) => get("/api/system/status", {}, signal), []);
  useEvery(SOON, again);
  if (!data) return html`<h1>${t("nav.system")}</h1><${Busy} on=${loading} /><${Trouble} error=${error} again=${again} />`;
  const { queues } = data;
  const waiting = Object.values(queues.waiting).reduce((sum, count) => sum + count, 0);
  return html`<div class="title"><h1>${t("nav.system")}</h1><${Badge} group="ready" value=${data.ready ? "ready" : "away"} /></div>
    <${Trouble} error=${error} again=${again} />
    <ul class="tiles">
      ${["running", "queued", "completed", "failed"].map((name) => html`<li key=${name}><a href=${link(["jobs"], { status: name })}><strong>${number(queues.jobs[name] || 0)}</strong> ${word("status", name)}</a></li>`)}
      <li><span><strong>${number(waiting)}</strong> ${t("system.waiting")}</span></li>
      <li><span><strong>${number(queues.untold)}</strong> ${t("system.untold")}</span></li>
      <li><span><strong>${duration(data.oldestPendingSeconds)}</strong> ${t("system.oldest")}</span></li>
    </ul>
    <${Section} title=${t("system.services")}>
      <${Table} caption=${t("system.services")} rows=${data.services} columns=${[
        [t("system.service"), (row) => html`<strong>${row.name}</strong>`],
        [t("status"), (row) => html`<${Badge} group="ready" value=${row.ready ? "ready" : "away"} />`],
        [t("system.workers"), (row) => (row.workers ? row.workers.map((worker) => html`<div key=${worker.owner}><code>${worker.owner}</code></div>`) : "–")],
        [t("system.version"), (row) => row.version || [...new Set((row.workers || []).map((worker) => worker.version))].join(", ") || "–"],
        [t("system.free"), (row) => (row.name === "gateway" ? "–" : number(row.freePulls)), "number"],
      ]} />
    <//>
    <${Section} title=${t("system.queues")}>
      <${Facts} rows=${[
        ...Object.entries(queues.admitted).map(([name, count]) => [t("system.admitted_of", { library: name }), number(count)]),
        ...Object.entries(queues.waiting).map(([name, count]) => [t("system.waiting_of", { library: name }), number(count)]),
      ]} />
      ${!Object.keys(queues.admitted).length && !waiting && html`<${Empty}>${t("system.idle")}<//>`}
    <//>
    ${data.jobs.length > 0 && html`<${Section} title=${t("system.open")}><${Table} caption=${t("system.open")} rows=${data.jobs} identity=${(row) => row.jobId} columns=${[
      [t("document"), (row) => html`<a class="name" href=${link(["jobs", row.jobId])}>${row.name}</a>`, "wide"],
      [t("library"), (row) => row.libraryId, "roomy"],
      [t("status"), (row) => html`<${Badge} value=${row.status} />`],
      [t("progress"), (row) => html`<span class="progress"><${Bar} share=${row.percent / 100} label=${t("progress")} state=${row.status} /> <span class="quiet">${word("step", row.step)}</span></span>`],
      [t("system.age"), (row) => duration(row.ageSeconds), "number roomy"],
      [t("job.worker"), (row) => row.owner || "–", "roomy"],
    ]} /><//>`}
    <${Section} title=${t("system.about")}>
      <${Facts} rows=${[
        [t("system.version"), data.version],
        [t("system.scopes"), access.get()?.scopes.map((scope) => word("scope", scope)).join(", ")],
        [t("system.libraries"), access.get()?.libraries.map((name) => (name === "*" ? t("all") : name)).join(", ")],
      ]} />
      <p><a href="/docs">${t("system.api")}</a></p>
    <//>`;
}
