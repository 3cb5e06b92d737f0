// Ends, budgets and usage: a network that lives for a minute, what its organization may have, what was used.

/** What the words of a network in the list were, one after the other, while it was woken. */
async function wordsOfWaking(page, name) {
  return page.evaluate(
    (name) =>
      new Promise((resolve, reject) => {
        const row = () => [...document.querySelectorAll("tbody tr")].find((one) => one.textContent.includes(name));
        const seen = [];
        const observer = new MutationObserver(() => {
          const word = row().querySelector(".state").textContent;
          if (seen.at(-1) !== word) seen.push(word);
          if (word !== "Usable") return;
          observer.disconnect();
          resolve(seen);
        });
        observer.observe(document.body, { subtree: true, childList: true, characterData: true });
        fetch(`/v1/organizations/default/networks/${name}/wake`, { method: "POST" }).catch(reject);
      }),
    name,
  );
}

export class Ends {
  constructor({ page, base, checks, looker }, { trade, brief }) {
    Object.assign(this, { page, base, checks, looker, trade, brief });
  }

  get #end() {
    return this.page.getByTestId("end");
  }

  #open(path) {
    return this.page.goto(`${this.base}${path}`);
  }

  /** The organization may have two networks, and `trade` is the first. */
  async run() {
    await this.#born();
    await this.#refusals();
    await this.#used();
    await this.#quotas();
    await this.#wakes();
    await this.#over();
  }

  async #fillCreate(name, timeToLive) {
    await this.#open("/networks");
    await this.page.getByRole("button", { name: "New network" }).click();
    await this.page.getByLabel("Name", { exact: true }).fill(name);
    await this.page.getByRole("button", { name: "1 validator", exact: true }).click();
    await this.page.getByLabel("Time to live").fill(timeToLive);
  }

  async #born() {
    const { page, checks, looker, brief } = this;
    const create = page.getByRole("button", { name: "Create network" });
    await checks.must("a network is created with a time to live, and one too short is refused in the platform's words", async () => {
      await this.#fillCreate(brief, "1.5h");
      await page.getByText("A whole number and its unit").waitFor();
      await page.getByLabel("Time to live").fill("30s");
      await create.click();
      await page.getByRole("dialog").getByRole("alert").getByText("ttl_s").first().waitFor();
      await looker.look("create-refused");
      await page.getByLabel("Time to live").fill("1m");
      await page.getByText(`windlass network create ${brief} --validators 1 --ttl 1m`).waitFor();
      await create.click();
      await page.waitForURL(`${this.base}/networks/${brief}`, { timeout: 60_000 });
      await this.#end.getByText("Ends in").waitFor();
    });
  }

  async #refusals() {
    const { page, checks, looker, brief } = this;
    const dialog = page.getByRole("dialog", { name: `Extend ${brief}` });
    const refused = async (words) => {
      await dialog.getByRole("button", { name: `Extend ${brief}`, exact: true }).click();
      const text = await dialog.getByRole("alert").innerText();
      checks.that(text.includes(words), `${words} is not in ${text}`);
    };
    await checks.run("nothing, a past date and too long a life are refused in the platform's words", async () => {
      await this.#end.getByRole("button", { name: "Extend…" }).click();
      await dialog.getByLabel("So much longer").fill("soon");
      await dialog.getByText("A whole number and its unit").waitFor();
      checks.that(await dialog.getByRole("button", { name: `Extend ${brief}`, exact: true }).isDisabled(), "what cannot be read can be sent");
      await dialog.getByLabel("So much longer").fill("0s");
      await refused("by_s is 0");
      await dialog.getByLabel("So much longer").fill("9999d");
      await refused("315360000 seconds at most");
      await dialog.getByRole("button", { name: "Until a date" }).click();
      await dialog.getByLabel("Until", { exact: true }).fill("2001-01-01T10:00");
      await refused("Name a later time");
      await looker.look("extend-refused");
      await dialog.getByRole("button", { name: "Cancel" }).click();
    });
  }

  async #used() {
    const { page, checks, looker, trade } = this;
    await checks.run("what a network used is shown in sums, as a chart and as a table, with the limits of its nodes", async () => {
      await this.#open(`/networks/${trade}`);
      const row = (name) => page.getByTestId("usage").getByRole("row", { name });
      await row("Processor").getByText(/[1-9].* CPU-s/).first().waitFor();
      await page.getByRole("img", { name: /^Processor by hour over seven days: .* CPU-s in all/ }).waitFor();
      await page.getByRole("button", { name: "Requests", exact: true }).click();
      await page.getByRole("img", { name: /^Requests by hour over seven days: [1-9]/ }).waitFor();
      await page.getByText("As a table", { exact: true }).click();
      await page.getByRole("table", { name: `What ${trade} used, by hour` }).getByRole("row").nth(1).waitFor();
      const limits = page.getByRole("region", { name: "Limits" });
      checks.equal(await limits.locator("tbody tr").count(), 4);
      const disk = limits.getByRole("meter", { name: "Disk of validator-0", exact: true });
      checks.that(/MiB of 10 GiB$/.test(await disk.getAttribute("aria-valuetext")), "it does not say of how much");
      // A phone's bar covers whatever is beneath it, so that where the page is scrolled to decides what axe says.
      await page.evaluate(() => window.scrollTo(0, 0));
      await looker.look("usage");
    });
  }

  async #quotas() {
    const { page, checks, looker } = this;
    await checks.run("the organization's page says what it has, that nothing is left and what that means", async () => {
      await page.getByRole("link", { name: "Budget", exact: true }).click();
      await page.getByTestId("quota-networks").getByText("Nothing left: another network is refused.").waitFor();
      await page.getByTestId("quota-nodes").getByText(/left\./).waitFor();
      await looker.look("budget");
      await page.getByRole("button", { name: "Change…" }).click();
      await page.getByText("no session of the console has that").waitFor();
      await page.getByRole("textbox", { name: "Networks", exact: true }).fill("20");
      await page.getByText("windlass quota set --networks 20").waitFor();
      await looker.look("quota-change");
      await page.getByRole("button", { name: "Done" }).click();
    });
    await checks.run("what is above the quota is refused in the platform's words", async () => {
      await this.#fillCreate(`${this.brief}-too`, "");
      await page.getByRole("button", { name: "Create network" }).click();
      await page.getByRole("alert").getByText("may have 2 networks, and would have 3").waitFor();
    });
  }

  async #wakes() {
    const { page, checks, trade } = this;
    await checks.run("the list says of one that wakes that it is waking", async () => {
      await this.#open(`/networks/${trade}`);
      await page.getByRole("button", { name: "Sleep", exact: true }).click();
      await page.locator(".badge", { hasText: "Asleep" }).waitFor({ timeout: 60_000 });
      await this.#open("/networks");
      await page.locator("tbody tr", { hasText: trade }).getByText("Asleep", { exact: true }).waitFor();
      const words = await wordsOfWaking(page, trade);
      checks.that(words.includes("Waking") && !words.includes("Starting"), `it said ${words}`);
    });
  }

  async #over() {
    const { page, checks, looker, brief } = this;
    const row = page.locator("tbody tr", { hasText: brief });
    await checks.run("the list has a sign of an end that is near or over", async () => {
      await row.getByText(/^(ends|destroyed) in /).waitFor({ timeout: 60_000 });
      await looker.look("networks-ends");
    });
    await checks.run("a network whose time is over says so with what to do, without a reload", async () => {
      await this.#open(`/networks/${brief}`);
      await page.evaluate(() => (window.windlassNotReloaded = true));
      await this.#end.getByText(`${brief} is destroyed in`).waitFor({ timeout: 70_000 });
      await page.locator(".badge", { hasText: "Stopped" }).waitFor();
      checks.equal(await page.getByRole("button", { name: "Start", exact: true }).count(), 0);
      await this.#end.getByText("it is started again with the same data, keys and URL").waitFor();
      await looker.look("ended");
    });
    await checks.run("extended, it comes back; for ever, it has no end", async () => {
      await this.#extend(async (dialog) => dialog.getByLabel("So much longer").fill("1h"));
      await page.locator(".badge", { hasText: "Usable" }).waitFor({ timeout: 60_000 });
      await this.#end.getByText("Ends in").waitFor();
      await looker.look("extended");
      await this.#extend(async (dialog) => dialog.getByRole("button", { name: "For ever" }).click());
      await this.#end.waitFor({ state: "detached" });
      checks.equal(await page.evaluate(() => window.windlassNotReloaded), true);
      await page.evaluate((name) => fetch(`/v1/organizations/default/networks/${name}`, { method: "DELETE" }), brief);
      await this.#open("/networks");
      await row.waitFor({ state: "detached", timeout: 60_000 });
    });
  }

  async #extend(choose) {
    await this.#end.getByRole("button", { name: "Extend…" }).click();
    const dialog = this.page.getByRole("dialog", { name: `Extend ${this.brief}` });
    await choose(dialog);
    await dialog.getByRole("button", { name: `Extend ${this.brief}`, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  }
}
