// Draws pages in a browser: `node draw.mjs FOLDER < JOBS`, where FOLDER has what vite built, and JOBS is JSON:
// `{browser, width, pages: [{board, query, picture}]}`. Prints, page by page, a line of JSON: what each panel has.
import { createServer } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';
import puppeteer from 'puppeteer-core';

const PATIENCE_MS = 60_000;
const HEIGHT = 1000;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml' };

// Chromium talks to nobody but the test's own Prometheus.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--no-proxy-server',
  '--hide-scrollbars',
];

const packaged = (path) => new URL(`./node_modules/${path}`, import.meta.url).pathname;
// Where Grafana's components look for icons and fonts, and where they are.
const PUBLIC = [
  ['/public/build/img/', packaged('@grafana/ui/dist/public/img/')],
  ['/public/fonts/inter/Inter-Regular.woff2', packaged('@fontsource/inter/files/inter-latin-400-normal.woff2')],
  ['/public/fonts/inter/Inter-Medium.woff2', packaged('@fontsource/inter/files/inter-latin-500-normal.woff2')],
];

function fileOf(pathname, folder, boards) {
  const [prefix, place] = PUBLIC.find(([each]) => pathname.startsWith(each)) ?? ['/', folder];
  return boards.get(pathname) ?? normalize(join(place, pathname === '/' ? 'index.html' : pathname.slice(prefix.length)));
}

function serve(folder, boards) {
  const server = createServer(async (request, response) => {
    const file = fileOf(new URL(request.url, 'http://localhost').pathname, folder, boards);
    try {
      const content = await readFile(file);
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((listening) => {
    server.listen(0, '127.0.0.1', () => listening(server));
  });
}

// A few icons are in the Grafana application alone, and in no package.
const isOurs = (message) => !new URL(message.url()).pathname.startsWith('/public/');

async function draw(browser, origin, { board, query, picture }, width) {
  const page = await browser.newPage();
  const told = [];
  page.on('pageerror', (error) => told.push(String(error.stack ?? error)));
  page.on('requestfailed', (request) => isOurs(request) && told.push(`${request.url()}: ${request.failure().errorText}`));
  page.on('response', (answer) => answer.status() >= 400 && isOurs(answer) && told.push(`${answer.status()} ${answer.url()}`));
  await page.setViewport({ width, height: HEIGHT });
  await page.goto(`${origin}/?board=${encodeURIComponent(`/boards/${board}`)}&${query}`, { waitUntil: 'load' });
  const settled = async () => {
    await page.waitForFunction(() => window.drawing?.isSettled(), { timeout: PATIENCE_MS, polling: 100 });
    await page.waitForNetworkIdle({ idleTime: 300, timeout: PATIENCE_MS });
    await page.evaluate(() => document.fonts.ready.then(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))));
  };
  try {
    await settled();
    // The whole board, as if the screen were that high: what is out of sight would not be drawn.
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewport({ width, height: Math.max(height, HEIGHT) });
    await settled();
  } catch (error) {
    told.push(String(error));
  }
  await page.screenshot({ path: picture });
  const { errors, panels } = await page.evaluate(() => ({
    errors: window.drawing?.errors ?? ['nothing was drawn'],
    panels: window.drawing?.audit() ?? [],
  }));
  await page.close();
  return { board, query, errors: [...told, ...errors], panels };
}

const { browser: executablePath, width, pages, boards } = JSON.parse(await text(process.stdin));
const served = new Map(Object.entries(boards).map(([name, file]) => [`/boards/${name}`, file]));
const server = await serve(process.argv[2], served);
const profile = await mkdtemp(join(tmpdir(), 'drawing-'));
const browser = await puppeteer.launch({ executablePath, userDataDir: profile, args: FLAGS });
try {
  for (const page of pages) {
    const drawn = await draw(browser, `http://127.0.0.1:${server.address().port}`, page, width);
    process.stdout.write(`${JSON.stringify(drawn)}\n`);
  }
} finally {
  await browser.close();
  server.close();
  await rm(profile, { recursive: true, force: true });
}
