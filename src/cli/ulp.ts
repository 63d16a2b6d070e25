import { Command, InvalidArgumentError, Option } from "commander";
import { currentEngine } from "../engine/current.ts";
import {
  type BoundedName,
  boundedFunctions,
  floatsFrom,
  measureUlps,
  type UlpError,
} from "../testing/ulps.ts";
import { type DeviceName, deviceNames, onDevice } from "./devices.ts";

const block = 2 ** 20;

function stride(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError("wanted an integer of at least 1");
  return value;
}

async function measure(name: BoundedName, every: number): Promise<UlpError> {
  let worst: UlpError = { ulps: 0, at: Number.NaN };
  for (let first = 0; first < 2 ** 32; first += every * block) {
    const count = Math.min(block, Math.ceil((2 ** 32 - first) / every));
    const found = await measureUlps(currentEngine().defaultDevice, name, floatsFrom(first, every, count));
    if (found.ulps > worst.ulps) worst = found;
  }
  return worst;
}

const command = new Command("ulp")
  .description("Measure the greatest errors of math functions over all floats.")
  .addOption(new Option("--device <name>", "what computes").choices(deviceNames).default(deviceNames[0]))
  .option("--every <n>", "take every nth float; 1 takes all, which is hours of work", stride, 997)
  .action(async ({ device, every }: { readonly device: DeviceName; readonly every: number }) => {
    await onDevice(device, 0, async () => {
      console.log(`| function on ${device} | greatest error, ulp | at | bound |\n|---|--:|--:|--:|`);
      for (const name of Object.keys(boundedFunctions) as BoundedName[]) {
        const { ulps, at } = await measure(name, every);
        const { bound } = boundedFunctions[name];
        console.log(`| ${name} | ${ulps.toFixed(3)} | ${at} | ${bound} |`);
        if (ulps > bound) process.exitCode = 1;
      }
    });
  });
await command.parseAsync();
