// Imports each entry point that it is given.

for (const name of process.argv.slice(2)) {
  const module = await import(name);
  if (Object.keys(module).length === 0) throw new Error(`${name} is empty`);
}
