import { type Device, defaultDevice, setDefaultDevice } from "fusegrad";
import { webgpu } from "fusegrad/webgpu";
import { Training } from "./training.ts";

const part = <E extends Element>(id: string): E => {
  const found = document.querySelector<E>(`#${id}`);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
};
const [text, masked] = [part<HTMLTextAreaElement>("text"), part<HTMLInputElement>("masked")];
const [device, steps] = [part<HTMLSelectElement>("device"), part<HTMLInputElement>("steps")];
const [start, stop, fill] = ["start", "stop", "fill"].map((id) => part<HTMLButtonElement>(id));
const [progress, status] = [part<HTMLProgressElement>("progress"), part<HTMLParagraphElement>("status")];
const [curve, answers] = [part<SVGSVGElement>("curve"), part<HTMLOListElement>("answers")];

/** Devices by the names that the page shows; a GPU only where there is one. */
const cpu = defaultDevice();
const devices = new Map<string, Device>([["wasm", cpu]]);
try {
  devices.set("webgpu", await webgpu());
} catch {
  // The CPU does it too.
}
device.append(...[...devices.keys()].reverse().map((name) => new Option(name)));

let training: Training | undefined;
let isStopped = false;
stop.addEventListener("click", () => {
  isStopped = true;
});

function say(message: string, isProblem = false): void {
  status.textContent = message;
  status.classList.toggle("problem", isProblem);
}

function draw(losses: readonly number[], last: number): void {
  const highest = Math.max(...losses);
  const points = losses.map((loss, i) => `${(600 * (i + 1)) / last},${155 - (150 * loss) / highest}`);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  curve.replaceChildren(line);
}

async function train(): Promise<void> {
  const count = steps.valueAsNumber;
  setDefaultDevice(devices.get(device.value) ?? cpu);
  say("Learning the words …");
  await new Promise(requestAnimationFrame); // lets the page show it
  training = new Training(text.value);
  const losses: number[] = [];
  const started = performance.now();
  while (losses.length < count && !isStopped) {
    losses.push(await training.advance());
    const seconds = (performance.now() - started) / 1000;
    progress.value = losses.length / count;
    say(
      `Step ${losses.length} of ${count}: loss ${losses[losses.length - 1].toFixed(3)}, ${seconds.toFixed(0)} s`,
    );
    draw(losses, count);
    await new Promise((resume) => setTimeout(resume)); // lets a click on Stop come through
  }
  status.textContent += isStopped ? ". Stopped." : ". Done.";
}

part<HTMLFormElement>("settings").addEventListener("submit", async (event) => {
  event.preventDefault();
  isStopped = false;
  [start.disabled, stop.disabled, fill.disabled] = [true, false, true];
  try {
    await train();
    fill.disabled = false;
  } catch (error) {
    say(`That did not work: ${(error as Error).message}`, true);
  } finally {
    [start.disabled, stop.disabled] = [false, true];
  }
});

part<HTMLFormElement>("question").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const found = (await training?.fill(masked.value)) ?? [];
    answers.replaceChildren(
      ...found.map(({ token, probability }) => {
        const row = document.createElement("li");
        row.textContent = `${token} (${(100 * probability).toFixed(1)} %)`;
        return row;
      }),
    );
  } catch (error) {
    say((error as Error).message, true);
  }
});
