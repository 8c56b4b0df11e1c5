// A throw-away ES module: importing it leaves the module loader warm in a stem.
export {};
