// The frame around the views: who may come in, where one is, and how it looks.
import { get, signOut } from "./api.js";
import { html, render, useEffect, useRef } from "./html.js";
import { LANGUAGES, t } from "./i18n.js";
import { link, useRoute } from "./router.js";
import { access, colours, key, language, useStore } from "./store.js";
import { Batches } from "./views/batches.js";
import { Doctor } from "./views/doctor.js";
import { DocumentPage } from "./views/document.js";
import { Documents } from "./views/documents.js";
import { JobPage } from "./views/job.js";
import { Jobs } from "./views/jobs.js";
import { Search } from "./views/search.js";
import { SignIn } from "./views/signin.js";
import { System } from "./views/system.js";
import { Upload } from "./views/upload.js";

const VIEWS = {
  jobs: [Jobs, JobPage],
  documents: [Documents, DocumentPage],
  search: [Search],
  upload: [Upload],
  doctor: [Doctor],
  batches: [Batches],
  system: [System],
};

function Frame() {
  const { path, query } = useRoute();
  const name = path[0] in VIEWS ? path[0] : "jobs";
  const [List, One] = VIEWS[name];
  const View = path[1] && One ? One : List;
  const main = useRef(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${t(`nav.${name}`)} – Shadowtwin`;
    // A change of view is told to who does not see it, by moving to it; not when the page has just been opened.
    if (!first.current) (main.current?.querySelector("[autofocus]") || main.current)?.focus();
    first.current = false;
  }, [name, path[1]]);
  return html`<div class="frame">
    <button type="button" class="skip" onClick=${() => main.current?.focus()}>${t("skip")}</button>
    <header>
      <a class="brand" href=${link(["jobs"])}><img src="icon.svg" alt="" width="26" height="26" /> Shadowtwin</a>
      <nav aria-label=${t("nav")}>
        ${Object.keys(VIEWS).map(
          (each) => html`<a key=${each} href=${link([each])} aria-current=${each === name ? "page" : undefined}>${t(`nav.${each}`)}</a>`,
        )}
      </nav>
      <${Settings} />
    </header>
    <main ref=${main} tabindex="-1"><${View} key=${`${name}/${path[1] || ""}`} id=${path[1]} query=${query} /></main>
  </div>`;
}

function Settings() {
  return html`<div class="settings">
    <select aria-label=${t("language")} value=${language.get()} onChange=${(event) => language.set(event.currentTarget.value)}>
      ${Object.entries(LANGUAGES).map(([name, shown]) => html`<option key=${name} value=${name} selected=${name === language.get()}>${shown}</option>`)}
    </select>
    <select aria-label=${t("colours")} value=${colours.get()} onChange=${(event) => colours.set(event.currentTarget.value)}>
      ${["", "light", "dark"].map((name) => html`<option key=${name} value=${name} selected=${name === colours.get()}>${t(`colours.${name || "system"}`)}</option>`)}
    </select>
    ${key.get() && html`<button type="button" onClick=${signOut}>${t("action.sign_out")}</button>`}
  </div>`;
}

function App() {
  useStore();
  const given = key.get();
  useEffect(() => {
    if (given && !access.get()) get("/api/key").then((opened) => access.set(opened), () => {});
  }, [given]);
  const tongue = language.get();
  const wanted = colours.get();
  useEffect(() => {
    document.documentElement.lang = tongue;
    if (wanted) document.documentElement.dataset.colours = wanted;
    else delete document.documentElement.dataset.colours;
  }, [tongue, wanted]);
  // A new key or language draws everything anew: nothing of the former one may stay.
  return given ? html`<${Frame} key=${`${tongue} ${given}`} />` : html`<${SignIn} key=${tongue} settings=${html`<${Settings} />`} />`;
}

window.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k" && key.get()) {
    event.preventDefault();
    location.hash = link(["search"]);
    requestAnimationFrame(() => document.querySelector("input[type=search]")?.focus());
  }
});

render(html`<${App} />`, document.getElementById("app"));
