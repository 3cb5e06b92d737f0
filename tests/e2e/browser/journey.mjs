// A user's way through the console, in a real browser against a real platform.
//
//   WINDLASS_LOGIN_URL=http://127.0.0.1:7300/login#… node journey.mjs
//
// The platform has no network yet, and may have two: `windlass quota set --networks 2`. Each view is looked at in both themes and two widths: axe finds
// nothing, nothing scrolls sideways, and a screenshot goes to $ARTIFACTS_DIR. Prints `N passed, M
// failed` and ends with 1 if anything failed.
import { randomBytes } from "node:crypto";
import { Checks, launch, Looker, watch } from "./harness.mjs";
import { Chain } from "./chain.mjs";
import { Ends } from "./ends.mjs";

const loginUrl = process.env.WINDLASS_LOGIN_URL;
if (!loginUrl) {
  console.error("set WINDLASS_LOGIN_URL to a one-time link: `windlass login`");
  process.exit(2);
}
const base = new URL(loginUrl).origin;
const suffix = randomBytes(2).toString("hex");
const trade = `trade-${suffix}`;
const typed = `typed-${suffix}`;
const ring = `ring-${suffix}`;
const brief = `brief-${suffix}`;

const checks = new Checks();
const { browser, context, page } = await launch();
const seen = watch(context, base);
const looker = new Looker(page, checks);
const heading = (text) => page.getByRole("heading", { level: 1, name: text, exact: true });
const height = async () => Number((await page.getByTestId("height").innerText()).replaceAll(",", ""));

async function logIn() {
  await checks.must("a stranger is told how to log in", async () => {
    await page.goto(`${base}/networks`);
    await heading("Log in to Windlass").waitFor();
    await page.getByText("windlass login", { exact: true }).waitFor();
    await looker.look("stranger");
  });
  await checks.must("the one-time link logs in and its code leaves the address", async () => {
    await page.goto(loginUrl);
    await heading("Networks").waitFor();
    checks.equal(page.url(), `${base}/networks`);
    const code = new URL(loginUrl).hash.slice(1);
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.length]));
    checks.that(!kept.includes(code), "the code is kept somewhere that scripts can read");
    const cookies = await context.cookies(base);
    checks.that(cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === "Strict", "one HttpOnly, SameSite=Strict cookie");
    checks.equal(await page.evaluate(() => document.cookie), "");
  });
  await checks.run("the link works once", async () => {
    const other = await browser.newContext();
    const stranger = await other.newPage();
    await stranger.goto(loginUrl);
    await stranger.getByRole("heading", { name: "This link is spent" }).waitFor();
    await stranger.getByText("windlass login", { exact: true }).waitFor();
    checks.equal(stranger.url(), `${base}/login`);
    await other.close();
  });
}

async function firstMinute() {
  await checks.run("the empty state has one sentence, one button and the CLI line", async () => {
    await page.getByRole("button", { name: "Create a network" }).waitFor();
    await page.getByText("windlass network create trade --validators 4").waitFor();
    await looker.look("empty");
  });
  await checks.run("the form explains mistakes and warns of three validators", async () => {
    await page.getByRole("button", { name: "Create a network" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Not a name");
    await page.getByText("is not allowed; use a–z").waitFor();
    await page.getByLabel("Name", { exact: true }).fill(trade);
    await page.getByLabel("Number of validators").fill("3");
    await page.getByText("3 validators tolerate no fault").waitFor();
    await page.getByText("Advanced", { exact: true }).click();
    await looker.look("create");
    await page.getByRole("button", { name: "4 validators" }).click();
    await page.getByText(`windlass network create ${trade} --validators 4`).waitFor();
  });
  await checks.must("creating shows its steps and ends on the network's page", async () => {
    await page.getByRole("button", { name: "Create network" }).click();
    await page.getByRole("list", { name: "Steps of create" }).waitFor();
    await looker.shot("creating");
    await page.waitForURL(`${base}/networks/${trade}`, { timeout: 90_000 });
    await heading(trade).waitFor();
    await page.locator(".badge", { hasText: "Usable" }).waitFor();
    await page.locator(".table.blocks tbody tr").first().waitFor();
    await looker.look("network");
  });
}

async function live(chain) {
  await checks.run("four validators run, each with its process and memory", async () => {
    const rows = page.locator(".table.nodes tbody tr");
    checks.equal(await rows.count(), 4);
    const pids = await rows.locator("td:nth-child(6)").allInnerTexts();
    checks.equal(new Set(pids.filter((pid) => /^\d+$/.test(pid))).size, 4);
    await page.locator(".table.nodes tbody tr:nth-child(4) td:nth-child(5)", { hasText: /[0-9] [kM]?B/ }).waitFor();
  });
  await checks.run("a transaction sent through the endpoint appears without a reload, and the height ticks", async () => {
    await page.evaluate(() => (window.windlassNotReloaded = true));
    const before = await height();
    const sent = await chain.send();
    const finalAt = Date.now();
    await page.locator(`[data-transaction="${sent.hash}"]`).waitFor({ timeout: 10_000 });
    console.log(`     seen ${Date.now() - finalAt} ms after its receipt`);
    await page.waitForFunction(
      (most) => Number(document.querySelector('[data-testid="height"]').textContent.replaceAll(",", "")) > most,
      before,
    );
    checks.equal(await height(), sent.block);
    checks.equal(await page.evaluate(() => window.windlassNotReloaded), true);
  });
  await checks.run("a second tab is live too", async () => {
    const second = await context.newPage();
    await second.goto(`${base}/networks`);
    const cell = second.locator("tr", { hasText: trade }).locator("td").nth(1);
    await cell.waitFor();
    const { block } = await chain.send();
    await second.locator("tr", { hasText: trade }).getByText(block.toLocaleString("en-US"), { exact: true }).waitFor({ timeout: 10_000 });
    await second.close();
  });
  await checks.run("the same address shows the same page after a reload", async () => {
    const { hash } = await chain.send();
    await page.reload();
    await heading(trade).waitFor();
    await page.locator(`[data-transaction="${hash}"]`).waitFor();
    checks.equal(page.url(), `${base}/networks/${trade}`);
    checks.equal(await page.title(), `${trade} · Windlass`);
  });
  await checks.run("each snippet holds the endpoint", async () => {
    const connect = page.getByText("Connect with viem");
    if (!(await page.getByRole("tab", { name: "curl" }).isVisible())) await connect.click();
    for (const client of ["viem", "ethers", "Hardhat", "Foundry", "curl"]) {
      await page.getByRole("tab", { name: client }).click();
      const code = await page.getByRole("tabpanel").locator("pre").innerText();
      checks.that(code.includes(chain.endpoint), `${client}'s snippet has another URL`);
    }
  });
}

async function parts() {
  await checks.run("operations have the evidence", async () => {
    await page.getByRole("link", { name: "Operations" }).click();
    await page.getByRole("heading", { name: "Evidence" }).waitFor();
    checks.equal(await page.getByRole("table", { name: "The first final block" }).locator("tbody tr").count(), 4);
    await looker.look("operations");
  });
  await checks.run("a node's log streams", async () => {
    await page.getByRole("link", { name: "Logs", exact: true }).click();
    await page.locator(".log .line").first().waitFor();
    await page.getByLabel("Node", { exact: true }).selectOption({ index: 2 });
    await page.waitForURL(/\/logs\/.+/);
    await page.locator(".log .line").first().waitFor();
    await looker.look("logs");
  });
  await checks.run("the spec is a file to apply", async () => {
    await page.getByRole("link", { name: "Spec", exact: true }).click();
    await page.getByText(`name = "${trade}"`).waitFor();
    await looker.look("spec");
  });
  await checks.run("activity and settings", async () => {
    await page.getByRole("link", { name: "Activity", exact: true }).click();
    await page.locator("tbody tr", { hasText: trade }).first().waitFor();
    await looker.look("activity");
    await page.getByRole("link", { name: "Settings", exact: true }).click();
    await page.getByText("Data directory").waitFor();
    await looker.look("settings");
  });
  await checks.run("the theme is chosen by hand and kept", async () => {
    await page.getByRole("button", { name: "Dark", exact: true }).click();
    await page.reload();
    await page.getByText("Data directory").waitFor();
    checks.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.getByRole("button", { name: "System", exact: true }).click();
    checks.equal(await page.evaluate(() => [document.documentElement.dataset.theme, localStorage.length].join()), ",0");
  });
}

async function stopAndStart(chain) {
  await checks.run("stop and start keep the endpoint and the chain", async () => {
    await page.goto(`${base}/networks/${trade}`);
    const before = await page.getByTestId("endpoint").innerText();
    const { block } = await chain.send();
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await page.locator(".badge", { hasText: "Stopped" }).waitFor({ timeout: 30_000 });
    await looker.look("stopped");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.locator(".badge", { hasText: "Usable" }).waitFor({ timeout: 60_000 });
    checks.equal(await page.getByTestId("endpoint").innerText(), before);
    const after = await chain.send();
    checks.equal(after.block, block + 1);
    await page.locator(`[data-transaction="${after.hash}"]`).waitFor();
  });
}

async function keyring(chain) {
  const row = page.getByTestId("key-dashboard");
  const newUrl = async () => {
    const shown = await page.getByTestId("new-url").innerText();
    checks.that(shown.startsWith(chain.endpoint.slice(0, chain.endpoint.lastIndexOf("/") + 1)), "it is no URL of the network");
    return shown;
  };
  let url = "";
  await checks.run("a key is made with its scope and rate, and its URL is shown once", async () => {
    await page.goto(`${base}/networks/${trade}`);
    await page.getByTestId("key-default").getByText("Reads and sends").waitFor();
    await looker.look("keys");
    await page.getByRole("button", { name: "Create a key…" }).click();
    const dialog = page.getByRole("dialog", { name: `Create a key of ${trade}` });
    await dialog.getByLabel("Name", { exact: true }).fill("default");
    await dialog.getByText("There is a key of this name").waitFor();
    checks.that(await dialog.getByRole("button", { name: "Create the key" }).isDisabled(), "a name that is taken can be sent");
    await dialog.getByLabel("Name", { exact: true }).fill("dashboard");
    await dialog.getByLabel("Rate", { exact: true }).fill("50");
    await dialog.getByLabel("Burst", { exact: true }).fill("200");
    await dialog.getByText(`windlass network key create ${trade} dashboard --rate 50 --burst 200`).waitFor();
    await looker.look("key-create");
    await dialog.getByRole("button", { name: "Create the key" }).click();
    url = await newUrl();
    await looker.look("key-made");
    await page.getByRole("button", { name: "Copy", exact: true }).last().click();
    await page.getByRole("button", { name: "Done" }).click();
    await row.getByText("Reads only").waitFor();
    await row.getByText("50 a second, 200 at once").waitFor();
    checks.that(!(await page.content()).includes(url), "the URL is still shown");
  });
  await checks.run("it reads, and what sends is refused", async () => {
    const reader = await Chain.at(url);
    checks.that(await reader.answers(), "it does not read");
    const refused = await reader.send().then(
      () => "sent",
      (error) => String(error),
    );
    checks.that(refused.includes("for reading"), refused);
  });
  await checks.run("rotated, it has another URL, and the one before ends when it was said", async () => {
    await page.getByRole("button", { name: "Rotate dashboard" }).click();
    const dialog = page.getByRole("dialog", { name: "Rotate the key dashboard?" });
    await dialog.getByLabel("The URL before ends").selectOption("3600");
    await dialog.getByText(`windlass network key rotate ${trade} dashboard --overlap 3600`).waitFor();
    await looker.look("key-rotate");
    await dialog.getByRole("button", { name: "Rotate dashboard" }).click();
    const second = await newUrl();
    checks.that(second !== url, "it is the same URL");
    await page.getByRole("button", { name: "Done" }).click();
    await row.getByText("the URL before ends").waitFor();
    await looker.look("keys-rotated");
    for (const one of [url, second]) checks.that(await (await Chain.at(one)).answers(), "one of both does not answer");
  });
  await checks.run("revoked, it is gone and opens nothing", async () => {
    await page.getByRole("button", { name: "Revoke dashboard" }).click();
    const dialog = page.getByRole("dialog", { name: "Revoke the key dashboard?" });
    await dialog.getByRole("heading", { name: "Lost for ever" }).waitFor();
    await looker.look("key-revoke");
    await dialog.getByRole("button", { name: "Revoke dashboard" }).click();
    await row.waitFor({ state: "detached" });
    const response = await fetch(url, { method: "POST", body: "{}" });
    checks.equal(response.status, 401);
    checks.that(await chain.answers(), "the other key is concerned");
  });
}

async function sleepAndWake(chain) {
  const badge = (word) => page.locator(".badge", { hasText: word }).waitFor({ timeout: 60_000 });
  const sleep = async () => {
    await page.goto(`${base}/networks/${trade}`);
    await page.locator(".table.blocks tbody tr").first().waitFor();
    await page.evaluate(() => (window.windlassNotReloaded = true));
    await page.getByRole("button", { name: "Sleep", exact: true }).click();
    await badge("Asleep");
  };
  await checks.run("a network that nobody asks anything says when it falls asleep, and is sent to sleep by a button", async () => {
    await page.goto(`${base}/networks/${trade}`);
    await page.getByText("Falls asleep after 30 min without a request.").waitFor();
    await page.getByLabel(`Copy the command windlass network sleep ${trade}`).waitFor();
    await sleep();
    await page.getByText("It sleeps; the next request to its URL wakes it.").waitFor();
    await page.getByText("as of when it fell asleep").waitFor();
    await looker.look("asleep");
  });
  await checks.run("looking at one that sleeps does not wake it", async () => {
    await page.getByRole("link", { name: "Members", exact: true }).click();
    await page.getByText(`${trade} sleeps, and looking at it does not wake it.`).waitFor();
    await looker.look("members-asleep");
    await page.goto(`${base}/networks/${trade}`);
    await page.getByText(`${trade} sleeps, and looking at it does not wake it.`).waitFor();
    await looker.look("overview-asleep");
    await page.goto(`${base}/networks`);
    await page.locator("tbody tr", { hasText: trade }).getByText("Asleep", { exact: true }).waitFor();
    await looker.look("networks-asleep");
  });
  await checks.run("a request to its endpoint is answered and wakes it, seen without a reload", async () => {
    await page.goto(`${base}/networks/${trade}`);
    await badge("Asleep");
    await page.evaluate(() => (window.windlassNotReloaded = true));
    checks.equal(await chain.answers(), true);
    await badge("Usable");
    await page.locator(".table.blocks tbody tr").first().waitFor();
    const { hash } = await chain.send();
    await page.locator(`[data-transaction="${hash}"]`).waitFor();
    checks.equal(await page.evaluate(() => window.windlassNotReloaded), true);
  });
  await checks.run("a button wakes it too, and its operations say so", async () => {
    await sleep();
    await page.getByRole("button", { name: "Wake", exact: true }).first().click();
    await badge("Usable");
    checks.equal(await page.evaluate(() => window.windlassNotReloaded), true);
    await page.getByRole("link", { name: "Operations" }).click();
    await page.locator(".table.operations tbody th").nth(3).waitFor();
    const operations = await page.locator(".table.operations tbody th").allInnerTexts();
    checks.equal(operations.slice(0, 4).join(), "Wake,Sleep,Wake,Sleep");
    await page.getByRole("link", { name: "Overview" }).click();
    await page.locator(".table.nodes tbody tr").first().getByText("Running").waitFor({ timeout: 30_000 });
  });
}

async function fault(chain) {
  await checks.run("a killed validator is seen, the chain goes on, and it comes back, without a reload", async () => {
    await page.evaluate(() => (window.windlassNotReloaded = true));
    const row = page.locator(".table.nodes tbody tr").first();
    const pid = row.locator("td:nth-child(6)");
    const before = Number(await pid.innerText());
    process.kill(before, "SIGKILL");
    await row.getByText("restarted 1×").waitFor({ timeout: 30_000 });
    const { hash } = await chain.send();
    await page.locator(`[data-transaction="${hash}"]`).waitFor();
    await page.locator(".badge", { hasText: "Usable" }).waitFor({ timeout: 30_000 });
    await row.getByText("Running").waitFor({ timeout: 30_000 });
    checks.that(Number(await pid.innerText()) !== before, "the process has the same pid");
    checks.equal(await page.evaluate(() => window.windlassNotReloaded), true);
  });
}

// Nodes that are held run and do not answer; they are let go before the platform replaces them.
async function doctor() {
  const panel = page.getByRole("region", { name: "Conditions" });
  const check = panel.getByRole("button", { name: "Check now" });
  const finding = (name) => panel.getByRole("listitem").filter({ hasText: name });
  const pids = async () => (await page.locator(".table.nodes tbody td:nth-child(6)").allInnerTexts()).map(Number);
  const held = [];
  const hold = (pid) => {
    process.kill(pid, "SIGSTOP");
    held.push(pid);
  };
  const release = () => {
    for (const pid of held.splice(0)) {
      try {
        process.kill(pid, "SIGCONT");
      } catch (error) {
        if (error.code !== "ESRCH") throw error;
      }
    }
  };
  try {
    await checks.run("while all is well one line says so, and a check says what was asked", async () => {
      await page.goto(`${base}/networks/${trade}`);
      await panel.getByText("Nothing is wrong.").waitFor({ timeout: 90_000 });
      await check.click();
      await panel.getByText(`Nothing is wrong with ${trade}`).waitFor();
      checks.equal(await panel.locator(".checks tbody tr").count(), 6);
      await looker.look("doctor-well");
    });
    await checks.run("a validator that hangs is found, with since when, whose fault it is and what to do", async () => {
      hold((await pids())[3]);
      await check.click();
      const one = finding("Nodes answer");
      await one.waitFor({ timeout: 20_000 });
      const text = await one.innerText();
      for (const expected of ["Warning", "Unresponsive", "the node (validator-3)", "ended and started again", `windlass network logs ${trade} --node validator-3`]) {
        checks.that(text.includes(expected), `${expected} is not in ${text}`);
      }
      await looker.shot("doctor-one-down");
    });
    await checks.run("without a quorum the network is not usable, and the page says why", async () => {
      hold((await pids())[0]);
      await check.click();
      const one = finding("Usable");
      await one.waitFor({ timeout: 20_000 });
      checks.that((await one.innerText()).includes("Critical"), "it is critical");
      await page.locator(".badge", { hasText: "Unavailable" }).waitFor();
      await looker.shot("doctor-no-quorum");
      await page.setViewportSize({ width: 360, height: 740 });
      await looker.shot("doctor-no-quorum-360");
      await page.setViewportSize({ width: 1280, height: 860 });
    });
  } finally {
    release();
  }
  await checks.run("what is mended is said no longer, without a reload", async () => {
    await panel.getByText("Nothing is wrong.").waitFor({ timeout: 90_000 });
    checks.equal(await panel.getByRole("list", { name: "What is wrong" }).count(), 0);
  });
}

async function oneMemberDecides() {
  await checks.run("a network of one member has it, its validators and no proposal", async () => {
    await page.goto(`${base}/networks/${trade}`);
    await page.getByRole("link", { name: "Members", exact: true }).click();
    await page.getByText("Nobody has proposed anything yet").waitFor();
    // The one that was killed a moment ago may be on its way.
    await page.locator(".table.members .state", { hasText: "Active" }).nth(4).waitFor();
    checks.equal(await page.locator(".table.members tbody tr").count(), 5);
    checks.equal(await page.locator(".table.members .state", { hasText: "Active" }).count(), 5);
    await page.getByText("1 member, 4 validators", { exact: true }).waitFor();
    await looker.look("members");
  });
  await checks.run("a proposal says before what is lost, what is kept and that it decides at once", async () => {
    await page.getByRole("button", { name: "Propose a change of validator validator-3" }).click();
    await page.getByRole("dialog", { name: "Propose to suspend validator-3?" }).waitFor();
    await page.getByText("3 validators vote then, and no fault is tolerated, instead of 1.").waitFor();
    await page.getByText("that suffices: it is executed at once").waitFor();
    await page.getByLabel("Reason").fill("it's slow");
    await page.getByText(`windlass network propose ${trade} --as default suspend-validator validator-3 --reason 'it'\\''s slow'`).waitFor();
    await page.getByRole("button", { name: "Propose to suspend validator-3" }).and(page.locator(":enabled")).waitFor();
    await looker.look("propose");
  });
  await checks.run("its outcome says what changed, and leads to its page", async () => {
    await page.getByRole("button", { name: "Propose to suspend validator-3" }).click();
    await page.getByTestId("outcome").getByText("At the end of the epoch").waitFor();
    await looker.look("outcome");
    await page.getByRole("link", { name: "Proposal 1" }).click();
    await page.locator(".badge", { hasText: "Approved" }).waitFor();
    await page.getByText("it's slow").waitFor();
    await page.reload();
    await page.getByText("1 for and 0 against").waitFor();
    await looker.look("proposal");
  });
  await checks.run("the validator is seen to vote no more when the epoch ends, without a reload", async () => {
    await page.getByRole("link", { name: "Members", exact: true }).click();
    const row = page.locator(".table.members tbody tr", { hasText: "validator-3" });
    await row.getByText("Suspended").waitFor();
    await row.getByText("votes until the epoch ends").waitFor({ state: "detached", timeout: 60_000 });
    await page.getByText("All 3 validators finalise; no fault is tolerated.").waitFor({ timeout: 30_000 });
    await looker.look("suspended");
  });
}

/** A consortium is made by its API, as a file makes it: the form has one member. */
async function severalMembersVote() {
  const api = (path, method, body) =>
    page.evaluate(
      async ([url, method, body]) => {
        const headers = { "content-type": "application/json" };
        const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
        return response.ok ? response.json() : Promise.reject(new Error(`${response.status} ${await response.text()}`));
      },
      [`/v1/organizations/default/networks${path}`, method, body],
    );
  await checks.run("two members are shown apart, and what one proposes waits for the other", async () => {
    const members = ["acme", "beta"].map((organization) => ({ organization, validators: 1 }));
    await api("", "POST", { name: ring, kind: "consortium", members });
    await page.goto(`${base}/networks/${ring}/members`);
    await page.locator(".table.members tbody").nth(1).waitFor({ timeout: 60_000 });
    await api(`/${ring}/proposals`, "POST", { as: "acme", reason: "larger contracts", actions: [{ action: "set_gas_limit", gas_limit: 60_000_000 }] });
    await page.locator(".table.proposals").getByText("In progress").waitFor();
    await looker.look("consortium");
  });
  await checks.run("the other votes, having read what that does", async () => {
    await page.getByRole("link", { name: "Set the gas limit to 60000000." }).click();
    await page.locator(".table.votes").getByText("Not yet").waitFor();
    await looker.look("proposal-open");
    await page.getByRole("button", { name: "Vote no…" }).click();
    await page.getByRole("dialog", { name: "Vote no on proposal 1?" }).waitFor();
    await page.getByText("This vote suffices: the proposal is rejected with it.").waitFor();
    await page.getByRole("button", { name: "Vote no for beta" }).and(page.locator(":enabled")).waitFor();
    await looker.look("vote");
    await page.getByRole("button", { name: "Vote no for beta" }).click();
    await page.getByTestId("outcome").getByText("Rejected").waitFor();
    await page.getByRole("link", { name: "Proposal 1" }).click();
    await page.locator(".badge", { hasText: "Rejected" }).waitFor();
    checks.equal(await page.getByRole("button", { name: /^Vote/ }).count(), 0);
  });
  await checks.run("who cannot be asked is not asked: a stopped network says how it is started", async () => {
    await page.goto(`${base}/networks/${ring}/operations`);
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await page.locator(".badge", { hasText: "Stopped" }).waitFor({ timeout: 30_000 });
    await page.goto(`${base}/networks/${ring}/members`);
    await page.getByText(`${ring} is stopped: none of its nodes can be asked.`).waitFor();
    await looker.look("members-stopped");
    await page.goto(`${base}/networks`);
    await api(`/${ring}`, "DELETE");
    await page.locator("tbody tr", { hasText: ring }).waitFor({ state: "detached", timeout: 60_000 });
  });
}

/** No pointer from here on: create, find, open and destroy with keys alone. */
async function keyboardOnly() {
  const keys = page.keyboard;
  await checks.run("keys alone: the palette opens the form, Enter creates", async () => {
    await page.goto(`${base}/networks`);
    await heading("Networks").waitFor();
    await keys.press("Tab");
    checks.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await keys.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await looker.look("palette");
    await keys.type("new network");
    await keys.press("Enter");
    await page.getByRole("dialog", { name: "New network" }).waitFor();
    await keys.type(typed);
    await keys.press("Tab");
    checks.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "1 validator");
    await keys.press("Space");
    await keys.press("Shift+Tab");
    await keys.press("Enter");
    await page.waitForURL(`${base}/networks/${typed}`, { timeout: 90_000 });
    await heading(typed).waitFor();
  });
  await checks.run("keys alone: filter, walk the rows, open", async () => {
    await keys.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await keys.type("networks");
    await keys.press("Enter");
    await page.waitForURL(`${base}/networks`);
    await page.locator("tbody tr").first().waitFor();
    await keys.press("/");
    await keys.type("-");
    await keys.press("ArrowDown");
    const first = await page.evaluate(() => document.activeElement.textContent);
    await keys.press("ArrowDown");
    const second = await page.evaluate(() => document.activeElement.textContent);
    checks.equal([first, second].sort().join(), [trade, typed].sort().join());
    await looker.look("networks");
    await keys.press("Enter");
    await page.waitForURL(`${base}/networks/${second}`);
    checks.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
  });
  await checks.run("keys alone: destroy, with the name typed, gives the receipt", async () => {
    await keys.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await keys.type(`destroy ${typed}`);
    await keys.press("Enter");
    await page.getByRole("dialog", { name: `Destroy ${typed}?` }).waitFor();
    await keys.press("Enter");
    checks.that(await page.getByRole("dialog").isVisible(), "an empty confirmation destroyed the network");
    await keys.type(typed);
    await keys.press("Enter");
    await page.getByTestId("receipt").waitFor({ timeout: 60_000 });
    checks.that(/\/activity\/op-/.test(page.url()), "the receipt has no address of its own");
  });
}

async function dismantle(chain) {
  await checks.run("a destroy asks for the name and says what is lost", async () => {
    await page.goto(`${base}/networks/${trade}`);
    await page.getByRole("button", { name: "Destroy…" }).click();
    await page.getByRole("heading", { name: "Lost for ever" }).waitFor();
    const button = page.getByRole("button", { name: `Destroy ${trade}`, exact: true });
    checks.that(await button.isDisabled(), "it can be destroyed without its name");
    await looker.look("destroy");
    await page.getByLabel(`Type ${trade} to confirm`).fill(trade);
    await button.click();
  });
  await checks.run("its steps are live and its receipt names every process", async () => {
    await page.getByTestId("receipt").waitFor({ timeout: 60_000 });
    const kinds = await page.getByTestId("receipt").locator("tbody th").allInnerTexts();
    checks.equal(kinds.filter((kind) => kind === "Process").length, 4);
    checks.that(kinds.includes("Endpoint") && kinds.includes("Key") && kinds.includes("Directory"), `kinds: ${[...new Set(kinds)]}`);
    await looker.look("receipt");
    await page.reload();
    await page.getByTestId("receipt").waitFor();
  });
  await checks.run("it is gone from the list, its address says so, its endpoint answers no more", async () => {
    await page.goto(`${base}/networks`);
    await page.getByRole("button", { name: "Create a network" }).waitFor();
    await page.goto(`${base}/networks/${trade}`);
    await page.getByText(`There is no network named ${trade}.`).waitFor();
    await looker.look("gone");
    checks.equal(await chain.answers(), false);
  });
  await checks.run("logging out closes every page", async () => {
    await page.goto(`${base}/settings`);
    await page.getByRole("button", { name: "Log out" }).click();
    await heading("Log in to Windlass").waitFor();
    await page.goto(`${base}/networks`);
    await heading("Log in to Windlass").waitFor();
  });
}

try {
  await logIn();
  await firstMinute();
  const chain = await Chain.at(await page.getByTestId("endpoint").innerText());
  await live(chain);
  await parts();
  await stopAndStart(chain);
  await keyring(chain);
  await sleepAndWake(chain);
  await fault(chain);
  await doctor();
  await oneMemberDecides();
  await severalMembersVote();
  await new Ends({ page, base, checks, looker }, { trade, brief }).run();
  await keyboardOnly();
  await dismantle(chain);
  await checks.run("nothing outside was asked and nothing was logged as an error", () => {
    checks.equal(seen.outside.join("\n"), "");
    checks.equal(seen.errors.join("\n"), "");
  });
} catch (error) {
  if (!checks.knows(error)) checks.failed("the journey", error);
} finally {
  await browser.close();
}
checks.finish();
