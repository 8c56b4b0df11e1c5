export const handler = async ({ name = "world" }, context) => {
  console.log(`greeting ${name}, ${context.getRemainingTimeInMillis()} ms left`);
  return { message: `Hello, ${name}!`, from: `Node.js ${process.version}` };
};
