// What a person can do with a job: start it again from a phase, cancel it, or see what it would do.
import { send, upload } from "../api.js";
import { html, useState } from "../html.js";
import { money, number, t, word } from "../i18n.js";
import { may } from "../store.js";
import { Check, Choice, Confirm, Table, Trouble } from "../ui.js";

const PHASES = ["extract", "transform", "ingest"];
const POLICY = { extract: "extract", transform: "metadata", ingest: "ingest" };

export function JobActions({ job, onChanged }) {
  const [from, choose] = useState("");
  const [anyway, force] = useState(false);
  const [asking, ask] = useState(false);
  const [error, fail] = useState(null);
  const [plan, show] = useState(null);
  const [busy, work] = useState(false);
  const open = job.status === "queued" || job.status === "running";
  const quality = job.operation === "quality";

  const tried = async (action) => {
    work(true);
    fail(null);
    try {
      await action();
    } catch (problem) {
      fail(problem);
    }
    work(false);
  };
  const requeue = () =>
    tried(async () => {
      show(null);
      const body = { reason: "console" };
      if (from) body.from = from;
      if (anyway) body.policies = policies(from);
      await send("POST", `/api/jobs/${job.jobId}/requeue`, body);
      onChanged();
    });
  const cancel = () =>
    tried(async () => {
      ask(false);
      await send("POST", `/api/jobs/${job.jobId}/cancel`);
      onChanged();
    });
  const planned = () =>
    tried(async () => {
      const { sealedPassword, ...parameters } = job.parameters;
      const form = new FormData();
      form.set("documentId", job.documentId);
      form.set("libraryId", job.libraryId);
      form.set("parameters", JSON.stringify(anyway ? { ...parameters, policies: policies(from) } : parameters));
      show(await upload("/api/jobs?plan=true", form, () => {}));
    });

  if (!may("write")) return null;
  return html`<div class="actions">
      ${!quality && html`<${Choice} label=${t("requeue.from")} value=${from} onChange=${choose} id="requeue-from"
        options=${[["", t("requeue.first_open")], ...PHASES.map((name) => [name, word("phase", name)])]} />`}
      ${!quality && html`<${Check} label=${t("requeue.force")} value=${anyway} onChange=${force} hint=${t("requeue.force_hint")} />`}
      <span class="buttons">
        <button type="button" class="primary" disabled=${busy || open} onClick=${requeue} title=${open ? t("requeue.open") : ""}>${t("action.requeue")}</button>
        <button type="button" disabled=${busy || !open} onClick=${() => ask(true)}>${t("action.cancel")}</button>
        ${!quality && html`<button type="button" disabled=${busy} onClick=${planned}>${t("action.plan")}</button>`}
      </span>
    </div>
    <${Trouble} error=${error} />
    ${plan && html`<${Plan} plan=${plan} onClose=${() => show(null)} />`}
    <${Confirm} open=${asking} title=${t("cancel.title")} yes=${t("cancel.yes")} onYes=${cancel} onNo=${() => ask(false)}>
      <p>${t("cancel.text", { name: job.correlation.source.name })}</p>
    <//>`;
}

/** Every phase from the chosen one on runs, whatever its gate says. */
function policies(from) {
  const first = Math.max(0, PHASES.indexOf(from));
  return Object.fromEntries(PHASES.map((name, at) => [POLICY[name], at >= first ? "force" : "do"]));
}

function Plan({ plan, onClose }) {
  return html`<div class="notice" role="status">
    <div class="section-head"><h2>${t("plan.title")}</h2><button type="button" onClick=${onClose}>${t("action.close")}</button></div>
    <${Table} caption=${t("plan.title")} rows=${plan.phases} columns=${[
      [t("plan.phase"), (row) => word("phase", row.phase)],
      [t("plan.verdict"), (row) => html`<span class=${`badge ${row.run ? "running" : "skipped"}`}>${row.known ? (row.run ? t("gate.run") : t("gate.skip")) : t("plan.unknown")}</span>`],
      [t("plan.why"), (row) => word("reason", row.reason), "wide"],
    ]} />
    <p>${t("plan.cost", { usd: money(plan.cost.usd || 0), calls: number(plan.cost.modelCalls || 0) })}</p>
    <p class="quiet">${t("plan.nothing")}</p>
  </div>`;
}
