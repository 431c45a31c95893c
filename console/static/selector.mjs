// What a selector means, while it is typed.
export function watchSelectors() {
  const input = document.querySelector("input[name=selector]"), says = document.getElementById("selector-says");
  if (!input || !says) return;
  let timer = 0, asked = 0;
  const ask = async () => {
    const selector = input.value.trim(), mine = ++asked;
    if (!selector) { says.textContent = ""; return; }
    try {
      const answer = await fetch(`${document.documentElement.dataset.base}/api/v1/validate`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ selector }),
      });
      const body = await answer.json();
      if (mine !== asked) return; // something else was typed meanwhile
      says.classList.toggle("wrong", !answer.ok);
      if (!answer.ok) { says.textContent = [body.title, body.errors?.[0]?.message, body.hint].filter(Boolean).join(": "); return; }
      const names = body.names ?? [], more = body.hosts - Math.min(names.length, 8);
      says.textContent = `${body.hosts.toLocaleString("en-US")} ${body.hosts === 1 ? "host" : "hosts"}: ${names.slice(0, 8).join(", ")}${more > 0 ? " …" : ""}`;
    } catch {
      says.textContent = "";
    }
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 300); });
  if (input.value) ask();
}
