// Renews what is shown, every two seconds while somebody looks, and says so when the node does not answer.
"use strict";
const main = document.querySelector("main");
const freshness = document.getElementById("freshness");
const address = new URL(location.href);
address.searchParams.set("fragment", "1");

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    main.innerHTML = await answer.text();
    freshness.textContent = `As of ${new Date().toLocaleTimeString()}`;
    document.body.classList.remove("stale");
  } catch (error) {
    freshness.textContent = `The node does not answer (${error.message}); shown is what it said last.`;
    document.body.classList.add("stale");
  }
}

async function keepFresh() {
  await renew();
  setTimeout(keepFresh, 2000);
}

keepFresh();
