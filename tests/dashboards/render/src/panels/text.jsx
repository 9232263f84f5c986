// Notes in Markdown.
import { renderMarkdown } from '@grafana/data';
import { plugin } from './plugin';

function Note({ options }) {
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderMarkdown(options.content) }} />;
}

export const text = plugin('text', Note, { options: { mode: 'markdown', content: '' } });
