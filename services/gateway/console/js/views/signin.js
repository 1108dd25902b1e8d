// Signing in: a key is tried before it is kept, and the page says where one is found.
import { opened } from "../api.js";
import { html, useState } from "../html.js";
import { t } from "../i18n.js";
import { access, key } from "../store.js";
import { Field, Trouble } from "../ui.js";

export function SignIn({ settings }) {
  const [given, set] = useState("");
  const [error, fail] = useState(null);
  const enter = async (event) => {
    event.preventDefault();
    fail(null);
    const wanted = given.trim();
    // A header cannot hold other characters, and no key has them.
    if (!/^[\x21-\x7e]+$/.test(wanted)) {
      fail(new Error(t("signin.unusable")));
      return;
    }
    try {
      access.set(await opened(wanted));
      key.set(wanted);
    } catch (problem) {
      fail(problem.status === 401 ? new Error(t("signin.wrong")) : problem);
    }
  };
  return html`<div class="signin">
    <main>
      <div class="signin-head"><img src="icon.svg" alt="" width="40" height="40" /><h1>Shadowtwin</h1></div>
      <form onSubmit=${enter}>
        <${Field} label=${t("signin.key")}>
          <input type="password" name="key" autocomplete="off" required autofocus value=${given} onInput=${(event) => set(event.currentTarget.value)} />
        <//>
        <${Trouble} error=${error} />
        <button class="primary" type="submit">${t("action.sign_in")}</button>
      </form>
      <h2>${t("signin.where")}</h2>
      <p>${t("signin.local")}</p>
      <pre class="wrapped"><code>cat .shadowtwin/data/secrets/client.token</code></pre>
      <p>${t("signin.other")}</p>
      <pre class="wrapped"><code>./shadowtwin keys make --scope read --library NAME</code></pre>
      <p class="quiet">${t("signin.kept")}</p>
      ${settings}
    </main>
  </div>`;
}
