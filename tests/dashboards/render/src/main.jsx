// Draws one dashboard, and leaves `window.drawing` for who looks at it from outside.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import '@fontsource/roboto-mono/400.css';
import 'react-grid-layout/css/styles.css';
import 'uplot/dist/uPlot.min.css';
import { ThemeContext } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { loadResources } from '@grafana/scenes';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router-dom';
import { address } from './address';
import { audit, isSettled } from './audit';
import { sceneOf } from './board';
import { provideServices } from './services';
import { theme } from './theme';

const errors = [];
window.addEventListener('error', ({ message }) => errors.push(message));
window.addEventListener('unhandledrejection', ({ reason }) => errors.push(String(reason?.stack ?? reason)));

async function draw() {
  await initPluginTranslations('grafana-scenes', [loadResources]);
  provideServices(address.prometheus);
  const board = await (await fetch(address.board)).json();
  const scene = sceneOf(board, address);
  window.drawing = {
    errors,
    isSettled: () => isSettled(scene),
    audit: () => audit(scene),
  };
  const style = { background: theme.colors.background.canvas, minHeight: '100vh', padding: 16, display: 'flex', flexDirection: 'column' };
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles hackNoBackdropBlur />
      <BrowserRouter>
        <div style={style}>
          <h3 style={{ margin: '0 0 8px' }}>{board.title}</h3>
          <scene.Component model={scene} />
        </div>
        <PortalContainer />
      </BrowserRouter>
    </ThemeContext.Provider>,
  );
}

draw().catch((error) => errors.push(String(error.stack ?? error)));
