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

  const isCommand = (event) => event.ctrlKey || event.metaKey; // on a Mac Ctrl+Up and Ctrl+Down are the system's, ⌘ is not

  // Ctrl+Up and Ctrl+Down, or ⌘: the weight of the selected words, or of the word at the cursor, by a tenth.
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
    const written = name.replace(/[()[\]]/g, "\\$&");
    set(field, field.value.slice(0, begin) + written + field.value.slice(at));
    field.setSelectionRange(begin + written.length, begin + written.length);
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
    if (list && isPrompt(field) && ["ArrowDown", "ArrowUp", "Enter", "Tab", "Escape"].includes(event.key) && !isCommand(event)) {
      event.preventDefault(); event.stopPropagation();
      if (event.key === "Escape") close();
      else if (event.key.startsWith("Arrow")) choose(event.key === "ArrowDown" ? 1 : -1);
      else take(field, list.querySelector("[aria-selected=true]").textContent);
      return;
    }
    if (!isCommand(event)) return;
    if (event.key === "Enter" && field.closest?.("[role=tabpanel], .tabitem")?.querySelector("#draw-start")) {
      event.preventDefault(); event.stopPropagation(); close();
      field.dispatchEvent(new Event("change", { bubbles: true }));
      setTimeout(() => document.querySelector("#draw-start").click());
    } else if (isPrompt(field) && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault(); weigh(field, event.key === "ArrowUp" ? 0.1 : -0.1); close();
    }
  }, true);

  // Whoever starts something wants to see it.
  document.addEventListener("click", (event) => {
    const start = event.target.closest?.("#draw-start, #train-start");
    if (start) document.querySelector(`#${start.id.replace("start", "stage")}`)?.scrollIntoView({ block: "nearest" });
  });

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
    const direct = event.target.closest?.("button[data-field]");
    if (direct) {
      set(document.querySelector(`#${direct.dataset.field} :is(textarea, input)`), direct.dataset.value);
      return;
    }
    const link = event.target.closest?.("a[data-large]");
    if (!link || isCommand(event) || event.shiftKey) return;
    event.preventDefault();
    const dialog = document.createElement("dialog"), image = document.createElement("img");
    dialog.className = "large"; image.src = link.href; image.alt = link.querySelector("img")?.alt ?? "";
    dialog.append(image); document.body.append(dialog);
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
    dialog.showModal();
  });

  // A picture from the desktop, dropped where no field waits for one, says how it was drawn. In the tab with photos all
  // are photos. What is dragged within the page is no file.
  const blockOf = (target) => target.closest?.(".block:has(.upload-container):not(:has(.block))");
  let isOwn = false, veil = null;
  const unveil = () => { veil?.remove(); veil = null; };
  const isFree = (event) => !isOwn && event.dataTransfer?.types.includes("Files")
    && !blockOf(event.target);
  document.addEventListener("dragstart", () => { isOwn = true; });
  document.addEventListener("dragend", () => { isOwn = false; });
  const photoField = () => [...document.querySelectorAll("#photos-drop")].find((each) => each.getClientRects().length);
  document.addEventListener("dragover", (event) => {
    if (!isFree(event)) { unveil(); return; }
    event.preventDefault();
    if (veil) return;
    veil = document.createElement("div");
    veil.className = "veil";
    veil.textContent = photoField()?.querySelector("label")?.textContent.trim() || document.querySelector("[data-drop]").dataset.drop;
    document.body.append(veil);
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) unveil(); });
  document.addEventListener("drop", (event) => {
    unveil();
    if (!isFree(event)) return;
    event.preventDefault();
    const field = photoField(), given = new DataTransfer();
    const files = [...event.dataTransfer.files];
    (field ? files : files.slice(0, 1)).forEach((file) => given.items.add(file));
    const input = (field ?? document.querySelector("#anywhere"))?.querySelector("input[type=file]");
    if (!input || !given.files.length) return;
    input.files = given.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // Files that are too large are refused before they are sent: a server that stops listening looks like a lost one. They
  // come in by the field's button or dropped on it; what is dropped beside it, as above, ends with the button's event.
  const refused = (files, field) => {
    document.querySelector(".too-large")?.remove();
    const { most, mostTogether, tooLarge, tooMuch } = document.querySelector("[data-most]").dataset;
    const large = files.filter((file) => file.size > most).map((file) => file.name);
    if (!large.length && files.reduce((sum, file) => sum + file.size, 0) <= mostTogether) return false;
    const said = document.createElement("p");
    said.className = "problem too-large"; said.setAttribute("role", "alert");
    const named = large.slice(0, 5).join(", ") + (large.length > 5 ? ", …" : "");
    said.textContent = large.length ? tooLarge.replace("{names}", () => named) : tooMuch;
    (field ?? document.querySelector("#masthead")).after(said);
    return true;
  };
  document.addEventListener("change", (event) => {
    if (event.target.type !== "file" || !refused([...event.target.files], blockOf(event.target))) return;
    event.stopImmediatePropagation(); event.target.value = "";
  }, true);
  document.addEventListener("drop", (event) => {
    const field = blockOf(event.target);
    if (!field || isOwn || !refused([...event.dataTransfer?.files ?? []], field)) return;
    event.preventDefault(); event.stopImmediatePropagation();
    event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true })); // nothing hovers over it any more
  }, true);

  // The easel: what is painted becomes a mask, white where the picture is to change, at most 1024 pixels a side.
  let stroke = null;
  const point = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  };
  const paint = (event) => {
    const { canvas, brush, last, width } = stroke, next = point(canvas, event);
    brush.lineWidth = width; brush.beginPath(); brush.moveTo(...last); brush.lineTo(...next); brush.stroke();
    stroke.last = next;
  };
  const tell = (canvas) => {
    const mask = document.createElement("canvas"), ink = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const isPainted = ink.data.some((value, at) => at % 4 === 3 && value > 0);
    for (let at = 0; at < ink.data.length; at += 4) {
      ink.data[at] = ink.data[at + 1] = ink.data[at + 2] = ink.data[at + 3]; ink.data[at + 3] = 255;
    }
    mask.width = canvas.width; mask.height = canvas.height;
    mask.getContext("2d").putImageData(ink, 0, 0);
    set(document.querySelector(`#${canvas.dataset.field} :is(textarea, input)`), isPainted ? mask.toDataURL() : "");
  };
  document.addEventListener("pointerdown", (event) => {
    const canvas = event.target.closest?.(".easel canvas");
    if (!canvas) return;
    event.preventDefault();
    const easel = canvas.closest(".easel"), picture = easel.querySelector("img");
    if (!canvas.dataset.ready) {
      const scale = Math.min(1, 1024 / Math.max(picture.naturalWidth, picture.naturalHeight));
      canvas.width = Math.round(picture.naturalWidth * scale); canvas.height = Math.round(picture.naturalHeight * scale);
      canvas.dataset.ready = "yes";
    }
    const brush = canvas.getContext("2d");
    brush.strokeStyle = "#fff"; brush.lineCap = brush.lineJoin = "round";
    const erases = easel.querySelector("[data-easel=erase]").getAttribute("aria-pressed") === "true";
    brush.globalCompositeOperation = erases ? "destination-out" : "source-over";
    const width = easel.querySelector(".brush").value / 100 * Math.max(canvas.width, canvas.height);
    stroke = { canvas, brush, width, last: point(canvas, event) };
    canvas.setPointerCapture(event.pointerId); paint(event);
  });
  document.addEventListener("pointermove", (event) => { if (stroke) paint(event); });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => { if (stroke) tell(stroke.canvas); stroke = null; });
  }
  document.addEventListener("click", (event) => {
    const tool = event.target.closest?.("[data-easel]"), canvas = tool?.closest(".easel").querySelector("canvas");
    if (!tool) return;
    if (tool.dataset.easel === "erase") tool.setAttribute("aria-pressed", String(tool.getAttribute("aria-pressed") !== "true"));
    else { canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height); tell(canvas); }
  });

  // The frame over a photo: a square that moves within it. All of it is shares of the photo, whose size the server says,
  // so that nothing waits for the picture and nothing moves with the window.
  const shares = ({ side, width, height }) => [side * Math.min(1, height / width), side * Math.min(1, width / height)];
  const framed = (frame) => {
    const data = frame.dataset, [wide, high] = shares(data);
    data.left = Math.min(Math.max(data.left, 0), 1 - wide); data.top = Math.min(Math.max(data.top, 0), 1 - high);
    for (const [name, share] of Object.entries({ left: data.left, top: data.top, width: wide, height: high }))
      frame.style[name] = `${share * 100}%`;
  };
  const move = (frame, right, down) => {
    frame.dataset.moved = "yes";
    frame.dataset.left = Number(frame.dataset.left) + right; frame.dataset.top = Number(frame.dataset.top) + down;
    framed(frame);
  };
  let held = null;
  document.addEventListener("pointerdown", (event) => {
    const frame = event.target.closest?.(".cutting .frame");
    if (!frame) return;
    event.preventDefault(); frame.focus();
    held = frame; frame.setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    if (held) move(held, event.movementX / held.parentElement.clientWidth, event.movementY / held.parentElement.clientHeight);
  });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { held = null; });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-.01, 0], ArrowRight: [.01, 0], ArrowUp: [0, -.01], ArrowDown: [0, .01] }[event.key];
    if (!step || !event.target.matches?.(".cutting .frame")) return;
    event.preventDefault(); move(event.target, ...step);
  });
  document.addEventListener("input", (event) => {
    const frame = event.target.matches?.(".opened input.brush") && event.target.closest(".opened").querySelector(".frame");
    if (frame) {
      const [wide, high] = shares(frame.dataset);
      frame.dataset.side = event.target.value / 100;
      const [wider, higher] = shares(frame.dataset);
      move(frame, (wide - wider) / 2, (high - higher) / 2); // about its middle
    }
  });
  document.addEventListener("click", (event) => {
    const save = event.target.closest?.("[data-retouch]");
    if (!save) return;
    const photo = save.closest(".opened"), { left, top, side, moved } = photo.querySelector(".frame").dataset;
    const cut = moved && [left, top, side];
    const said = { verb: "save", file: save.dataset.file, cut, caption: photo.querySelector("textarea").value };
    set(document.querySelector(`#${save.dataset.retouch} :is(textarea, input)`), `${++sayings} ${JSON.stringify(said)}`);
  });

  // A lost connection. What only looks (an event without Gradio's queue) is asked again once the server answers; whatever
  // else was under way ends with the page, which is loaded anew, as where another server answers.
  const ask = window.fetch.bind(window), { root, api_prefix: api, app_id: server } = window.gradio_config;
  let search = null;
  const look = async () => {
    const notice = document.createElement("p");
    notice.className = "lost"; notice.setAttribute("role", "status");
    notice.textContent = document.querySelector("[data-lost]")?.dataset.lost ?? "";
    document.body.append(notice);
    for (;;) {
      const answer = await ask(`${root}${api}/app_id`).catch(() => null);
      if (answer?.status === 401 || (answer?.ok && (await answer.json()).app_id !== server)) location.reload();
      else if (answer?.ok) break;
      await new Promise((resolve) => { setTimeout(resolve, 300); });
    }
    notice.remove(); search = null;
  };
  window.fetch = async (address, options) => {
    try { return await ask(address, options); } catch (error) {
      if (!String(address).startsWith(`${root}${api}/`) || options?.signal?.aborted) throw error;
      await (search ??= look());
      if (String(address).startsWith(`${root}${api}/run/`)) return window.fetch(address, options);
      location.reload();
      throw error;
    }
  };

  // What was written on the page, and the tab that was open, outlast its loading.
  const KEPT = "retrato-written", writing = "textarea, input[type=number], input[type=text]:not([role])";
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  addEventListener("pagehide", () => {
    for (const field of document.querySelectorAll(writing)) {
      const id = field.closest("[id]:not(textarea, input)")?.id;
      if (id && !field.closest(".hidden, .opened")) kept[id] = field.value;
    }
    kept.tabs = document.querySelector("#tabs [role=tab][aria-selected=true]")?.dataset.tabId;
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  });
  const putBack = () => {
    for (const id of Object.keys(kept)) {
      const there = document.getElementById(id);
      const field = id === "tabs" ? there?.querySelector(`[role=tab][data-tab-id="${kept.tabs}"]`) : there?.querySelector(writing);
      if (!field) continue;
      const value = kept[id];
      delete kept[id];
      setTimeout(() => { if (id === "tabs") field.click(); else if (field.value !== value) set(field, value); }); // once Gradio listens
    }
  };

  // An error stands by the field that it is about.
  const place = () => {
    putBack();
    const opened = document.querySelector(".opened:not(.is-seen)"), frame = opened?.querySelector(".frame");
    if (frame) framed(frame);
    if (opened?.getClientRects().length) { opened.classList.add("is-seen"); opened.scrollIntoView({ block: "nearest" }); }
    const picked = document.querySelector(".strip .picked:not(.is-seen)"), strip = picked?.parentElement;
    if (picked?.getClientRects().length) { picked.classList.add("is-seen"); strip.scrollLeft = picked.offsetLeft - strip.offsetLeft - 16; }
    document.querySelectorAll(".problem-there").forEach((each) => {
      if (!document.getElementById(each.dataset.from)?.isConnected) each.remove();
    });
    document.querySelectorAll(".problem[data-by]:not(.is-shown-there)").forEach((said) => {
      const field = document.getElementById(said.dataset.by);
      if (!field || !field.getClientRects().length) return;
      said.id = `problem-${++sayings}`;
      const copy = document.createElement("p");
      copy.className = "problem problem-there"; copy.setAttribute("role", "alert");
      copy.append(...said.cloneNode(true).childNodes); copy.dataset.from = said.id;
      field.append(copy); said.classList.add("is-shown-there");
      field.querySelector("textarea, input:not([role])")?.focus({ preventScroll: true }); // a list would open over it
      field.scrollIntoView({ block: "nearest" });
    });
  };
  new MutationObserver(place).observe(document.documentElement, { childList: true, subtree: true });

  // The language of the page is that of its header; Gradio says "en" everywhere.
  new MutationObserver((_, watching) => {
    const header = document.querySelector("#masthead [lang]");
    if (header) { document.documentElement.lang = header.getAttribute("lang"); watching.disconnect(); }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
