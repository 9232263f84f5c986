// What to draw, from the page's address: `?board=FILE&prometheus=URL&theme=dark&from=MS&to=MS&var-room=ID`.

const given = new URLSearchParams(window.location.search);

const moment = (name) => (given.has(name) ? new Date(Number(given.get(name))).toISOString() : undefined);

export const address = {
  board: given.get('board'),
  prometheus: given.get('prometheus'),
  theme: given.get('theme') === 'light' ? 'light' : 'dark',
  from: moment('from'),
  to: moment('to'),
  // The chosen values by the variable's name, as in Grafana's own addresses.
  choices: Object.fromEntries(
    [...new Set(given.keys())]
      .filter((key) => key.startsWith('var-'))
      .map((key) => [key.slice('var-'.length), given.getAll(key)]),
  ),
};
