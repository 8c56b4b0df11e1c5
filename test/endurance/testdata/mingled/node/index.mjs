import { setTimeout as sleep } from "node:timers/promises";

export const handler = async ({ id, what }) => {
  console.log("doing", id);
  await sleep(Math.random() * 5);
  if (what === "fail") {
    throw new Error(id);
  }
  if (what === "exit") {
    process.exit(3);
  }
  if (what === "sleep") {
    await sleep(60_000);
  }
  return { id };
};
