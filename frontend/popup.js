/* The coupon popup. Every option is explained in docs/popup.md.
   <script src="https://coupons.example/popup.js" data-website="example.com" async></script>
   It is served as it is written here: there is nothing to build and nothing else to load. */
(() => {
  "use strict";

  // The service replaces this with its COUPON_EXPIRY_DAYS.
  const EXPIRY_DAYS = 30;

  const DAY = 86_400_000;
  const LONGEST_WAIT = 15_000;
  // Between two fields the focus is nowhere.
  const PAUSE = 3_000;

  const TEXTS = {
    en: {
      title: "A discount for you",
      text: "Leave your e-mail address and get a code for your next order.",
      email: "E-mail address",
      button: "Get my code",
      sending: "One moment …",
      close: "Close",
      done: "Here is your code",
      hint: "Enter it at the checkout.",
      until: "Valid until",
      copy: "Copy code",
      copied: "Copied",
      selected: "The code is selected: please copy it.",
      address: "Please enter a valid e-mail address.",
      website: "There are no codes for this website at the moment.",
      many: "Too many tries. Please try again",
      later: "later",
      network: "We can't reach the server. Please check your connection and try again.",
      service: "Something went wrong on our side. Please try again later.",
    },
    de: {
      title: "Ein Rabatt für Sie",
      text: "Geben Sie Ihre E-Mail-Adresse an und erhalten Sie einen Code für Ihre nächste Bestellung.",
      email: "E-Mail-Adresse",
      button: "Code erhalten",
      sending: "Einen Moment …",
      close: "Schließen",
      done: "Hier ist Ihr Code",
      hint: "Geben Sie ihn an der Kasse ein.",
      until: "Gültig bis",
      copy: "Code kopieren",
      copied: "Kopiert",
      selected: "Der Code ist markiert: bitte kopieren Sie ihn.",
      address: "Bitte geben Sie eine gültige E-Mail-Adresse ein.",
      website: "Für diese Website gibt es zurzeit keine Codes.",
      many: "Das waren zu viele Versuche. Bitte versuchen Sie es noch einmal",
      later: "später",
      network:
        "Der Server ist nicht erreichbar. Bitte prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.",
      service: "Bei uns ist etwas schiefgegangen. Bitte versuchen Sie es später noch einmal.",
    },
    fr: {
      title: "Une remise pour vous",
      text: "Indiquez votre adresse e-mail et recevez un code pour votre prochaine commande.",
      email: "Adresse e-mail",
      button: "Obtenir mon code",
      sending: "Un instant …",
      close: "Fermer",
      done: "Voici votre code",
      hint: "Saisissez-le au moment de payer.",
      until: "Valable jusqu’au",
      copy: "Copier le code",
      copied: "Copié",
      selected: "Le code est sélectionné : copiez-le.",
      address: "Veuillez saisir une adresse e-mail valide.",
      website: "Il n’y a pas de code pour ce site en ce moment.",
      many: "Trop de tentatives. Veuillez réessayer",
      later: "plus tard",
      network: "Le serveur est injoignable. Vérifiez votre connexion et réessayez.",
      service: "Une erreur s’est produite de notre côté. Veuillez réessayer plus tard.",
    },
    es: {
      title: "Un descuento para ti",
      text: "Déjanos tu correo electrónico y recibe un código para tu próximo pedido.",
      email: "Correo electrónico",
      button: "Obtener mi código",
      sending: "Un momento …",
      close: "Cerrar",
      done: "Aquí tienes tu código",
      hint: "Introdúcelo al pagar.",
      until: "Válido hasta el",
      copy: "Copiar código",
      copied: "Copiado",
      selected: "El código está seleccionado: cópialo.",
      address: "Introduce un correo electrónico válido.",
      website: "Ahora mismo no hay códigos para este sitio web.",
      many: "Demasiados intentos. Vuelve a intentarlo",
      later: "más tarde",
      network: "No se puede conectar con el servidor. Comprueba tu conexión e inténtalo de nuevo.",
      service: "Algo ha fallado por nuestra parte. Inténtalo de nuevo más tarde.",
    },
  };

  // Here !important overrides the page's. `all` leaves the direction out. rem is the page's.
  const CSS_TEXT = `
    :host {
      all: initial !important; display: block !important; position: fixed !important;
      direction: ltr !important;
    }
    * { box-sizing: border-box; }
    dialog {
      width: 420px; max-width: calc(100% - 24px); max-height: calc(100% - 24px);
      padding: 36px 32px 32px;
      overflow: auto; overscroll-behavior: contain; border: 1px solid transparent;
      border-radius: 20px;
      background: var(--background); color: var(--text);
      box-shadow: 0 24px 64px rgb(10 14 30 / 35%);
      font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; text-align: center;
      overflow-wrap: break-word;
    }
    dialog::backdrop { background: rgb(15 18 32 / 60%); }
    .badge {
      display: grid; place-items: center; width: 64px; height: 64px; margin: 0 auto 16px;
      border-radius: 50%;
      background: var(--color); color: var(--on-color); font-size: 30px; font-weight: 700;
      line-height: 1; transform: rotate(-8deg);
    }
    h2 {
      margin: 0 0 8px; font-size: 26px; line-height: 1.2; font-weight: 750; letter-spacing: -.3px;
      outline: none;
    }
    p { margin: 0; }
    form, .served { display: grid; gap: 12px; margin-top: 22px; text-align: left; }
    [dir=rtl] form { text-align: right; }
    h2, p, label, .main { unicode-bidi: plaintext; }
    label { font-size: 14px; font-weight: 600; margin-bottom: -6px; }
    input {
      width: 100%; min-width: 0; min-height: 48px; margin: 0; padding: 10px 14px;
      border: 1px solid #6b7280; border-radius: 10px;
      background: #fff; color: #14161f; font: inherit; direction: ltr;
    }
    input[aria-invalid] { border-color: #b3261e; box-shadow: inset 0 0 0 1px #b3261e; }
    button {
      min-width: 44px; min-height: 44px; margin: 0; border: 0; font: inherit; cursor: pointer;
      touch-action: manipulation;
    }
    .main {
      min-height: 50px; padding: 10px 18px; border: 1px solid transparent; border-radius: 10px;
      background: var(--color); color: var(--on-color); font-weight: 650;
    }
    .main:hover { filter: brightness(.94); }
    [aria-disabled] { cursor: progress; }
    .close {
      position: absolute; top: 8px; inset-inline-end: 8px; border-radius: 50%; background: none;
      color: inherit; font-size: 26px; line-height: 1;
    }
    .close:hover { background: rgb(128 128 128 / 18%); }
    :focus-visible { outline: 2px solid var(--text); outline-offset: 2px; }
    .error {
      padding: 10px 14px; border-inline-start: 4px solid #b3261e; border-radius: 8px; background: #fdecea;
      color: #7a1710; font-size: 15px;
    }
    .error:empty { display: none; }
    .code {
      min-height: 68px; border: 2px dashed #6b7280; border-radius: 14px; text-align: center;
      cursor: copy;
      font: 700 26px/1.2 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
      letter-spacing: 3px;
    }
    .until { font-size: 14px; text-align: center; }
    .heard {
      position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
      white-space: nowrap;
    }
    @media (max-width: 400px), (max-height: 500px) {
      dialog { padding: 24px 20px 20px; }
      .badge { display: none; }
      h2 { margin: 0 28px 8px; font-size: 22px; }
      form, .served { margin-top: 14px; }
    }
    @media (prefers-reduced-motion: no-preference) {
      dialog { animation: rise .25s cubic-bezier(.2, .8, .3, 1); }
      @keyframes rise { from { opacity: 0; transform: translateY(16px) scale(.98); } }
    }`;

  // Storage may be blocked, an answer may be no JSON: the page keeps working.
  const harmless =
    (run) =>
    (...given) => {
      try {
        return run(...given);
      } catch (error) {
        console.debug("coupon popup:", error);
        return undefined;
      }
    };

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const number = (text, fallback, least = -Infinity) =>
    text?.trim() && Number.isFinite(+text) && +text >= least ? +text : fallback;

  const language = (...wanted) =>
    wanted
      .map((tag) => tag?.trim().toLowerCase().split(/[-_]/)[0])
      .find((tag) => Object.hasOwn(TEXTS, tag)) ?? "en";

  const apiAddress = (wanted, source) => {
    const given = wanted?.trim().replace(/\/*$/, "/");
    const base =
      given && URL.canParse(given, location)
        ? new URL(given, location)
        : new URL(".", source || location);
    return new URL("api/coupons/", base).href;
  };

  // Relative luminance as WCAG defines it.
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  // At 0.179 black and white have equal contrast, 4.5 to 1: the better one never has less.
  const readableOn = (rgb) =>
    luminance(rgb) > 0.5 ? "#171a2b" : luminance(rgb) > 0.179 ? "#000" : "#fff";

  // However it was written: bücher.example is www.xn--bcher-kva.example.
  const hostOf = (website) => {
    const url = /^\w+:\/\//.test(website) ? website : `http://${website}`;
    return URL.canParse(url) ? new URL(url).hostname.replace(/^www\./, "") : website;
  };

  // Whether the focus is in a field, also of a shadow root or a frame. Where nobody can look into
  // one, it may hold a card's number.
  const isTyping = (place = document) => {
    const at = place.activeElement;
    if (!at || at === document.body) return self !== top && !document.hasFocus();
    const inner = at.shadowRoot ?? harmless(() => at.contentDocument)();
    if (inner) return isTyping(inner);
    return (
      at.isContentEditable ||
      at.localName.includes("-") ||
      at.matches("input:not([type=button], [type=submit]), textarea, select, iframe, frame")
    );
  };

  const start = () => {
    // Another script of this name may be anybody's.
    const script = document.currentScript;
    const once = Symbol.for("coupon-popup");
    const options = script?.dataset ?? {};
    const website = hostOf((options.website?.trim() || location.hostname).toLowerCase());
    if (
      !script ||
      !website ||
      window[once] ||
      !("adoptedStyleSheets" in document) ||
      !window.HTMLDialogElement
    )
      return;
    window[once] = true;

    const days = number(options.days, EXPIRY_DAYS, 0);
    const key = `coupon-popup:${website}`;
    const remembered = harmless(() => localStorage.getItem(key) > Date.now());
    const remember = harmless((until) => localStorage.setItem(key, until));
    if (remembered()) return;

    const tell = (event, detail = {}) =>
      document.dispatchEvent(
        new CustomEvent(`coupon-popup:${event}`, { detail: { website, ...detail } }),
      );

    const waiting = new AbortController();
    let calmFrom = 0;
    let again;
    const show = harmless(() => {
      if (waiting.signal.aborted) return;
      clearTimeout(again);
      if (isTyping()) calmFrom = Date.now() + PAUSE;
      if (Date.now() < calmFrom) {
        again = setTimeout(show, 500);
        return;
      }
      waiting.abort();
      // Another tab may have been faster.
      if (remembered()) return;
      open({ options, website, api: apiAddress(options.api, script.src), days, remember, tell });
      tell("shown");
    });

    const seconds = /^\s*none\s*$/i.test(options.delay) ? -1 : number(options.delay, 5);
    // A timer longer than this would fire at once.
    if (seconds >= 0) setTimeout(show, Math.min(seconds * 1000, 2 ** 31 - 1));
    if (!/^\s*(false|off|no|none|0)\s*$/i.test(options.exitIntent)) {
      const leave = (event) => event.clientY <= 0 && show();
      document.documentElement.addEventListener("mouseleave", leave, { signal: waiting.signal });
    }
    const percent = number(options.scroll, 0);
    if (percent > 0 && percent <= 100) {
      const scroll = () => {
        const { scrollHeight, clientHeight } =
          document.scrollingElement ?? document.documentElement;
        // Zoomed pages never quite reach their end.
        if (
          scrollHeight > clientHeight &&
          (window.scrollY + 0.5) / (scrollHeight - clientHeight) >= percent / 100
        )
          show();
      };
      addEventListener("scroll", scroll, { passive: true, signal: waiting.signal });
    }
  };

  const open = ({ options, website, api, days, remember, tell }) => {
    const lang = language(options.language, document.documentElement.lang, navigator.language);
    const words = TEXTS[lang];
    const dir = getComputedStyle(document.body ?? document.documentElement).direction;

    // No selector of the page matches this name.
    const host = document.createElement("coupon-popup");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS_TEXT);
    // A page's policy may forbid <style> and style="", but not this.
    root.adoptedStyleSheets = [sheet];

    const title = make("h2", { id: "title", tabindex: -1 }, options.title?.trim() || words.title);
    const text = make("p", { id: "text" }, options.text?.trim() || words.text);
    const email = make("input", {
      id: "email",
      type: "email",
      name: "email",
      autocomplete: "email",
      required: "",
      "aria-describedby": "error",
    });
    const error = make("p", { id: "error", class: "error", role: "alert" });
    const submit = make("button", { class: "main" }, options.button?.trim() || words.button);
    const form = make(
      "form",
      { novalidate: "" },
      make("label", { for: "email" }, words.email),
      email,
      error,
      submit,
    );
    const close = make(
      "button",
      { class: "close", type: "button", "aria-label": words.close },
      "×",
    );
    const heard = make("p", { class: "heard", role: "status" });
    const badge = make("div", { class: "badge", "aria-hidden": "true" }, "%");
    const dialog = make(
      "dialog",
      { lang, dir, "aria-labelledby": "title", "aria-describedby": "text" },
      close,
      badge,
      title,
      text,
      form,
      heard,
    );
    root.append(dialog);
    (document.body ?? document.documentElement).append(host);
    paint(dialog, options);

    let served = false;
    const serve = ({ code, expires_at }) => {
      const until = Date.parse(expires_at) || Date.now() + EXPIRY_DAYS * DAY;
      served = true;
      remember(until);
      tell("served", { code, expires_at });
      const field = make("input", {
        class: "code",
        readonly: "",
        value: code,
        "aria-label": words.done,
        autocomplete: "off",
      });
      const copy = make("button", { class: "main", type: "button" }, words.copy);
      const styles = { dateStyle: "long", timeStyle: "short" };
      const moment = new Intl.DateTimeFormat(lang, styles).format(until);
      const validity = expires_at ? `${words.until} ${moment}.` : "";
      const copyCode = async () => {
        const copied = await toClipboard(code, field);
        heard.textContent = copied ? words.copied : words.selected;
        copy.textContent = copied ? `✓ ${words.copied}` : words.copy;
      };
      copy.addEventListener("click", copyCode);
      field.addEventListener("click", copyCode);
      form.replaceWith(
        make("div", { class: "served" }, field, copy, make("p", { class: "until" }, validity)),
      );
      title.textContent = words.done;
      text.textContent = words.hint;
      heard.textContent = `${words.done}: ${code}`;
      if (dialog.open) copy.focus();
    };
    const refuse = (sentence, aboutAddress = false) => {
      error.textContent = sentence;
      if (aboutAddress) email.setAttribute("aria-invalid", "true");
      if (dialog.open) email.focus();
    };

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      // `disabled` would move the focus out of the popup.
      if (submit.hasAttribute("aria-disabled")) return;
      // So that a screen reader reads the same sentence again.
      error.textContent = "";
      email.removeAttribute("aria-invalid");
      const address = email.value.trim();
      // The service checks addresses. This only catches obvious mistakes.
      if (!/^[^\s@]+@[^\s@]+$/.test(address)) return refuse(words.address, true);
      const label = submit.textContent;
      submit.setAttribute("aria-disabled", "true");
      form.setAttribute("aria-busy", "true");
      submit.textContent = heard.textContent = words.sending;
      const answer = await ask(api, { email: address, website });
      heard.textContent = "";
      if (answer.code) return serve(answer);
      submit.textContent = label;
      submit.removeAttribute("aria-disabled");
      form.removeAttribute("aria-busy");
      refuse(
        answer.problem === "many"
          ? `${words.many} ${when(answer.seconds, lang) ?? words.later}.`
          : words[answer.problem],
        answer.problem === "address",
      );
    });

    // By then the browser has restored the focus.
    dialog.addEventListener("close", () => {
      host.remove();
      if (served) return;
      remember(Date.now() + days * DAY);
      tell("dismissed");
    });
    close.addEventListener("click", () => dialog.close());
    // Selecting the address and releasing outside must not close.
    let pressed;
    dialog.addEventListener("pointerdown", (event) => (pressed = isOutside(dialog, event)));
    dialog.addEventListener(
      "click",
      (event) => event.target === dialog && pressed && isOutside(dialog, event) && dialog.close(),
    );
    dialog.addEventListener(
      "keydown",
      (event) => event.key === "Tab" && keepInside(event, dialog, root),
    );
    // Keep the page's shortcuts and focus traps away from what is typed here.
    for (const type of ["keydown", "keypress", "keyup", "focusin", "focusout"])
      host.addEventListener(type, (event) => event.stopPropagation());

    dialog.showModal();
    // On a touch screen the keyboard would cover the text.
    (matchMedia("(pointer: coarse)").matches ? title : email).focus();
  };

  const isOutside = (dialog, { clientX, clientY }) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    return clientX < left || clientX > right || clientY < top || clientY > bottom;
  };

  // The page is inert, the browser's own buttons are not.
  const keepInside = (event, dialog, root) => {
    const stops = [...dialog.querySelectorAll("button, input")];
    const [first, last] = [stops[0], stops.at(-1)];
    const at = root.activeElement;
    const next = event.shiftKey
      ? (at === first || !stops.includes(at)) && last
      : at === last && first;
    if (!next) return;
    event.preventDefault();
    next.focus();
  };

  const ask = async (api, question) => {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), LONGEST_WAIT);
    try {
      // Sent as text/plain, which needs no preflight request.
      const options = {
        method: "POST",
        body: JSON.stringify(question),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        cache: "no-store",
      };
      const response = await fetch(api, { ...options, signal: timeout.signal });
      const body = harmless(JSON.parse)(await response.text()) ?? {};
      if (response.ok && typeof body.code === "string") return body;
      if (response.status === 429)
        return { problem: "many", seconds: number(response.headers.get("Retry-After")) };
      if (response.status === 400) return { problem: body.email ? "address" : "website" };
      return { problem: "service" };
    } catch {
      return { problem: "network" };
    } finally {
      clearTimeout(timer);
    }
  };

  // Such as "in 3 minutes", in the visitor's language.
  const when = (seconds, lang) => {
    if (!(seconds > 0)) return undefined;
    const minutes = Math.ceil(seconds / 60);
    const format = new Intl.RelativeTimeFormat(lang);
    return minutes < 90
      ? format.format(minutes, "minute")
      : format.format(Math.ceil(minutes / 60), "hour");
  };

  const toClipboard = async (code, field) => {
    try {
      await navigator.clipboard.writeText(code);
      return true;
    } catch {
      // The clipboard is missing without https, and forbidden in some frames.
      field.select();
      return document.execCommand("copy");
    }
  };

  const paint = (dialog, options) => {
    // The browser computes any colour, even the page's var(--brand), and returns a mix as sRGB.
    const parts = (wanted) => {
      if (!CSS.supports("color", wanted ?? "")) return undefined;
      dialog.style.color = `color-mix(in srgb, ${wanted}, ${wanted})`;
      // A translucent colour has a fourth part: legibility on it is unknown.
      const found = /^color\(srgb (\S+) (\S+) (\S+)\)$/.exec(getComputedStyle(dialog).color);
      return found?.slice(1).map(Number);
    };
    const css = (rgb) => `rgb(${rgb.map((part) => part * 255).join(" ")})`;
    const color = parts(options.color) ?? [0.31, 0.275, 0.898];
    const background = parts(options.background) ?? [1, 1, 1];
    const text = parts(options.textColor);
    dialog.style.color = "";
    dialog.style.setProperty("--color", css(color));
    dialog.style.setProperty("--on-color", readableOn(color));
    dialog.style.setProperty("--background", css(background));
    dialog.style.setProperty("--text", text ? css(text) : readableOn(background));
  };

  harmless(start)();
})();
