// Uploads: drop files, see them go, and follow what becomes of them.
import { get, upload } from "../api.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { bytes, number, t, word } from "../i18n.js";
import { LibraryName, ownLibrary } from "../libraries.js";
import { useEvery, useLoaded } from "../loading.js";
import { link } from "../router.js";
import { may } from "../store.js";
import { Badge, Bar, Check, Choice, Empty, Field, Section, Table, Trouble, When } from "../ui.js";

const METHODS = ["auto", "fast", "layout", "ocr", "external"];
const AT_ONCE = 2;

export function Upload() {
  const [library, setLibrary] = useState(ownLibrary());
  const [options, choose] = useState({ method: "auto", template: "document", products: "auto", previews: false, figures: false, password: "" });
  const [files, setFiles] = useState([]);
  const [over, hover] = useState(false);
  const input = useRef(null);
  const change = (id, changes) => setFiles((before) => before.map((file) => (file.id === id ? { ...file, ...changes } : file)));
  const set = (name) => (value) => choose({ ...options, [name]: value });
  const take = (list) => {
    const added = [...list].map((file) => ({ id: crypto.randomUUID(), file, library, options, state: "waiting", share: 0 }));
    setFiles((before) => [...before, ...added]);
  };

  const sending = files.filter((file) => file.state === "sending").length;
  const next = files.find((file) => file.state === "waiting");
  useEffect(() => {
    if (!next || sending >= AT_ONCE) return;
    change(next.id, { state: "sending" });
    upload("/api/jobs", formOf(next), (share) => change(next.id, { share })).then(
      (accepted) => change(next.id, { state: "sent", share: 1, accepted }),
      (error) => change(next.id, { state: "refused", error }),
    );
  }, [next?.id, sending]);

  const drop = (event) => {
    event.preventDefault();
    hover(false);
    take(event.dataTransfer.files);
  };
  if (!may("write")) return html`<h1>${t("nav.upload")}</h1><${Empty}>${t("upload.forbidden")}<//>`;
  return html`<h1>${t("nav.upload")}</h1>
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <${LibraryName} value=${library} onChange=${setLibrary} />
      <${Template} library=${library} value=${options.template} onChange=${set("template")} />
      <${Choice} label=${t("upload.method")} value=${options.method} onChange=${set("method")} options=${METHODS.map((name) => [name, word("method", name)])} />
      <${Choice} label=${t("upload.products")} value=${options.products} onChange=${set("products")} options=${["auto", "true", "false"].map((name) => [name, word("products", name)])} />
      <${Field} label=${t("upload.password")}><input type="password" autocomplete="off" value=${options.password} onInput=${(event) => set("password")(event.currentTarget.value)} /><//>
      <${Check} label=${t("upload.figures")} value=${options.figures} onChange=${set("figures")} />
      <${Check} label=${t("upload.previews")} value=${options.previews} onChange=${set("previews")} />
    </form>
    <div class=${`drop ${over ? "over" : ""}`} onDragOver=${(event) => { event.preventDefault(); hover(true); }} onDragLeave=${() => hover(false)} onDrop=${drop}>
      <p>${t("upload.drop")}</p>
      <input ref=${input} id="files" class="hidden" type="file" accept="application/pdf,.pdf" multiple aria-label=${t("upload.choose")} tabindex="-1"
        onChange=${(event) => { take(event.currentTarget.files); event.currentTarget.value = ""; }} />
      <button type="button" class="primary" onClick=${() => input.current.click()}>${t("upload.choose")}</button>
    </div>
    <ul class="uploads" aria-live="polite">${files.map((file) => html`<li key=${file.id}><${Row} row=${file} /></li>`)}</ul>
    <${Refused} round=${files.filter((file) => file.state === "refused").length} />`;
}

function formOf({ file, library, options }) {
  const form = new FormData();
  form.set("libraryId", library);
  const { method, template, products, previews, figures, password } = options;
  const asked = { extractionMethod: method, template, previews, figures, products: products === "auto" ? "auto" : products === "true" };
  form.set("parameters", JSON.stringify(asked));
  if (password) form.set("password", password);
  form.set("file", file, file.name);
  return form;
}

function Template({ library, value, onChange }) {
  const { data } = useLoaded((signal) => get("/api/templates", { library }, signal), [library]);
  const names = (data?.templates || []).map((template) => template.name);
  return html`<${Choice} label=${t("upload.template")} value=${value} onChange=${onChange} options=${(names.length ? names : [value]).map((name) => [name, name])} />`;
}

/** One file: on its way, then its job until that has ended. */
function Row({ row }) {
  const jobId = row.accepted?.jobId;
  const { data: job, again } = useLoaded((signal) => (jobId ? get(`/api/jobs/${jobId}`, {}, signal) : Promise.resolve(null)), [jobId]);
  const open = jobId && (!job || job.status === "queued" || job.status === "running");
  useEvery(open ? 1000 : null, again);
  const name = jobId ? html`<a href=${link(["jobs", jobId])}>${row.file.name}</a>` : row.file.name;
  return html`<div class="upload-row">
    <span class="name">${name} <span class="quiet">${bytes(row.file.size)} · ${row.library}</span></span>
    ${row.state === "refused" ? html`<${Trouble} error=${row.error} />` : html`<${Course} row=${row} job=${job} />`}
  </div>`;
}

function Course({ row, job }) {
  const { accepted } = row;
  if (accepted && !accepted.jobId) {
    const place = link(["documents", accepted.documentId], { library: accepted.libraryId });
    return html`<span><${Badge} value="skipped" /> <a href=${place}>${t("upload.known")}</a></span>`;
  }
  if (row.state !== "sent") {
    const told = row.state === "waiting" ? t("upload.waiting") : t("upload.sending", { percent: number(100 * row.share) });
    return html`<span class="progress"><${Bar} share=${row.share} label=${t("upload.sent")} state="running" /> <span class="quiet">${told}</span></span>`;
  }
  const percent = job?.status === "completed" ? 100 : job?.progress?.percent || 0;
  return html`<span class="progress"><${Bar} share=${percent / 100} label=${t("progress")} state=${job?.status || "queued"} /> <${Badge} value=${job?.shownStatus || "queued"} />
    ${job?.error && html`<span class="quiet">${job.error.message}</span>`}
    ${job?.status === "completed" && html`<a href=${link(["documents", job.documentId], { library: job.libraryId })}>${t("upload.open")}</a>`}</span>`;
}

function Refused({ round }) {
  const { data } = useLoaded((signal) => get("/api/uploads", { limit: 20 }, signal), [round]);
  if (!data?.uploads.length) return null;
  return html`<${Section} title=${t("upload.refused")}><${Table} caption=${t("upload.refused")} rows=${data.uploads} columns=${[
    [t("document"), (row) => row.name, "wide"],
    [t("library"), (row) => row.libraryId],
    [t("job.error"), (row) => html`${row.message || row.error} <code class="quiet">${row.code}</code>`, "wide"],
    [t("created"), (row) => html`<${When} at=${row.createdAt || row.at} />`],
  ]} /><//>`;
}
