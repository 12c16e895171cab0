() => {
  const find = (selector) => document.querySelector(selector);

  // A photo dropped or pasted anywhere goes the way of a chosen file, byte by byte.
  const open = (files) => {
    const photo = files?.[0];
    const input = find("#sources input[type=file]");
    if (!photo || !input) return false;
    const chosen = new DataTransfer();
    chosen.items.add(photo);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  };
  const holdsFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const dropping = (on) => document.body.classList.toggle("dropping", on);
  const over = (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    dropping(true);
  };
  addEventListener("dragenter", over, true);
  addEventListener("dragover", over, true);
  addEventListener("dragleave", (event) => event.relatedTarget || dropping(false), true);
  addEventListener("drop", (event) => {
    dropping(false);
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    open(event.dataTransfer.files);
  }, true);
  addEventListener("paste", (event) => {
    if (open(event.clipboardData?.files)) event.preventDefault();
  });

  // Keys: Ctrl+Enter fills, Ctrl+Z takes back, Ctrl+Shift+Z or Ctrl+Y does again.
  // The editor's buttons are called differently in each language: the last ones are undo, redo, clear.
  const press = (place) => [...document.querySelectorAll("#editor .top-panel > button")].at(place)?.click();
  const places = { z: -3, Z: -2, y: -2 };
  addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    const typing = event.target.matches?.("input:not([type=range]), textarea");
    if (event.key === "Enter") find("#fill")?.click();
    else if (event.key in places && !typing) press(places[event.key]);
    else return;
    event.preventDefault();
  });

  // The handle of the comparison moves by arrow keys too: each is a short drag.
  const drag = (handle, by) => {
    const box = handle.getBoundingClientRect();
    const at = { clientY: box.y + box.height / 2, bubbles: true, view: window };
    const [from, to] = [box.x + box.width / 2, box.x + box.width / 2 + by];
    handle.dispatchEvent(new MouseEvent("mousedown", { ...at, clientX: from }));
    dispatchEvent(new MouseEvent("mousemove", { ...at, clientX: to }));
    dispatchEvent(new MouseEvent("mouseup", { ...at, clientX: to }));
  };
  const steps = { ArrowLeft: -0.05, ArrowRight: 0.05, Home: -1, End: 1 };
  addEventListener("keydown", (event) => {
    const handle = event.target.closest?.("#slider [data-testid=slider]");
    if (!handle || !(event.key in steps)) return;
    event.preventDefault();
    drag(handle, steps[event.key] * find("#slider img").clientWidth);
  });

  // What gradio cannot be told.
  const set = (selector, attributes) => {
    for (const [name, value] of Object.entries(attributes)) find(selector)?.setAttribute(name, value);
  };
  const name = () => {
    set("#sources input[type=file]", { accept: "image/*" });
    set("#fill", { title: "Fill what is painted over (Ctrl+Enter)" });
    set("#status", { role: "status" });
    set("#editor [data-testid=image]", { "aria-label": "The photo: paint over what should go" });
    set("#slider [data-testid=slider]", { role: "slider", tabindex: 0, "aria-label": "Before and after" });
  };
  name();
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
}
