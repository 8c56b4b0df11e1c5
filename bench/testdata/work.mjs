// Waits for event.ms milliseconds, and says how often it has been called.
let calls = 0;

export const handler = async (event) => {
  calls++;
  if (event.ms) await new Promise((resolve) => setTimeout(resolve, event.ms));
  return { calls };
};
