// Works until the function that the event names exists.
export const handler = async (event, context) => {
  const url = `${process.env.AWS_ENDPOINT_URL}/2015-03-31/functions/${event.gate}/configuration`;
  for (;;) {
    const { ok, status } = await fetch(url);
    if (ok) break;
    if (status !== 404) throw new Error(`the gate answers ${status}`);
    await new Promise((done) => setTimeout(done, 1000));
  }
  if (event.exit) process.exit(7);
  return context.logStreamName;
};
