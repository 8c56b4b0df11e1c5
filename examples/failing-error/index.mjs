class OutOfStock extends Error {
  name = "OutOfStock";
}

export const handler = async ({ item = "candles" }) => {
  throw new OutOfStock(`no ${item} left`);
};
