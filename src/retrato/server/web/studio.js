// What the page does by itself: keys, names while typing, pictures at full size, errors beside their fields.
// Everything it shows from elsewhere is set as text, never as markup.
"use strict";
(() => {
  const set = (field, value) => {
    const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const isPrompt = (field) => field instanceof HTMLTextAreaElement && field.closest("#draw-prompt, #draw-negative_prompt");

  // Ctrl+Up and Ctrl+Down: the weight of the selected words, or of the word at the cursor, by a tenth.
  const weigh = (field, change) => {
    const text = field.value;
    let start = field.selectionStart, end = field.selectionEnd;
    if (start === end) {
      const open = text.lastIndexOf("(", start - 1), close = text.indexOf(")", start);
      const inside = open >= 0 && close >= 0 && /^\([^()]*:[\d.]+\)$/.test(text.slice(open, close + 1));
      if (inside) { start = open; end = close + 1; } else {
        while (start > 0 && !/[\s,()[\]|:]/.test(text[start - 1])) start--;
        while (end < text.length && !/[\s,()[\]|:]/.test(text[end])) end++;
      }
    }
    let words = text.slice(start, end), weight = 1;
    if (text[start - 1] === "(" && /^:[\d.]+\)/.test(text.slice(end))) {
      weight = parseFloat(text.slice(end + 1)); start--; end = text.indexOf(")", end) + 1;
    }
    const found = words.match(/^\(([^()]*):([\d.]+)\)$/);
    if (found) { words = found[1]; weight = parseFloat(found[2]); }
    if (!words.trim()) return;
    weight = Math.round(Math.max(0, weight + change) * 100) / 100;
    const written = weight === 1 ? words : `(${words}:${weight})`;
    set(field, text.slice(0, start) + written + text.slice(end));
    const first = start + (weight === 1 ? 0 : 1);
    field.setSelectionRange(first, first + words.length);
  };

  // Names while typing.
  let list = null;
  const close = () => { list?.remove(); list = null; document.activeElement?.removeAttribute("aria-activedescendant"); };
  const wordAt = (field) => field.value.slice(0, field.selectionStart).match(/[\p{L}\p{N}_-]+$/u)?.[0] ?? "";
  const take = (field, name) => {
    const at = field.selectionStart, begin = at - wordAt(field).length;
    set(field, field.value.slice(0, begin) + name + field.value.slice(at));
    field.setSelectionRange(begin + name.length, begin + name.length);
    field.focus(); close();
  };
  const choose = (step) => {
    const all = [...list.children], now = all.findIndex((each) => each.getAttribute("aria-selected") === "true");
    all.forEach((each, at) => each.setAttribute("aria-selected", String(at === (now + step + all.length) % all.length)));
  };
  const suggest = (field) => {
    close();
    const word = wordAt(field).toLowerCase();
    const said = document.querySelector("#people-names [data-names]")?.dataset.names;
    if (!word || !said) return;
    const names = JSON.parse(said).filter((name) => name.toLowerCase().startsWith(word) && name.toLowerCase() !== word);
    if (!names.length) return;
    list = document.createElement("ul");
    list.className = "names"; list.setAttribute("role", "listbox");
    names.slice(0, 8).forEach((name, at) => {
      const item = document.createElement("li");
      item.textContent = name; item.setAttribute("role", "option"); item.setAttribute("aria-selected", String(at === 0));
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(field, name); });
      list.append(item);
    });
    field.closest("#draw-prompt, #draw-negative_prompt").append(list);
  };
  document.addEventListener("input", (event) => { if (isPrompt(event.target)) suggest(event.target); });
  document.addEventListener("focusout", () => close());

  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (list && isPrompt(field) && ["ArrowDown", "ArrowUp", "Enter", "Tab", "Escape"].includes(event.key) && !event.ctrlKey) {
      event.preventDefault(); event.stopPropagation();
      if (event.key === "Escape") close();
      else if (event.key.startsWith("Arrow")) choose(event.key === "ArrowDown" ? 1 : -1);
      else take(field, list.querySelector("[aria-selected=true]").textContent);
      return;
    }
    if (!(event.ctrlKey || event.metaKey)) return;
    if (event.key === "Enter" && field.closest?.("[role=tabpanel], .tabitem")?.querySelector("#draw-start")) {
      event.preventDefault(); event.stopPropagation(); close();
      field.dispatchEvent(new Event("change", { bubbles: true }));
      setTimeout(() => document.querySelector("#draw-start").click());
    } else if (isPrompt(field) && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault(); weigh(field, event.key === "ArrowUp" ? 0.1 : -0.1); close();
    }
  }, true);

  // Buttons in our own markup say something to a hidden field of the page; the number makes each saying a new one.
  let sayings = 0;
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-channel]");
    if (button) {
      if (button.dataset.sure && !confirm(button.dataset.sure)) return;
      const field = document.querySelector(`#${button.dataset.channel} :is(textarea, input)`);
      if (field) set(field, `${++sayings} ${button.dataset.said}`);
      return;
    }
    const link = event.target.closest?.("a[data-large]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const dialog = document.createElement("dialog"), image = document.createElement("img");
    dialog.className = "large"; image.src = link.href; image.alt = link.querySelector("img")?.alt ?? "";
    dialog.append(image); document.body.append(dialog);
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
    dialog.showModal();
  });

  // An error stands by the field that it is about.
  const place = () => {
    document.querySelectorAll(".problem-there").forEach((each) => {
      if (!document.getElementById(each.dataset.from)?.isConnected) each.remove();
    });
    document.querySelectorAll(".problem[data-by]:not(.is-shown-there)").forEach((said) => {
      const field = document.getElementById(said.dataset.by);
      if (!field || !field.getClientRects().length) return;
      said.id = `problem-${++sayings}`;
      const copy = document.createElement("p");
      copy.className = "problem problem-there"; copy.setAttribute("role", "alert");
      copy.textContent = said.textContent; copy.dataset.from = said.id;
      field.append(copy); said.classList.add("is-shown-there");
      field.querySelector("textarea, input")?.focus();
    });
  };
  new MutationObserver(place).observe(document.documentElement, { childList: true, subtree: true });

  // The language of the page is that of its header; Gradio says "en" everywhere.
  new MutationObserver((_, watching) => {
    const header = document.querySelector("#masthead [lang]");
    if (header) { document.documentElement.lang = header.getAttribute("lang"); watching.disconnect(); }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
