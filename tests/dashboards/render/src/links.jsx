// The links at the head of a board: a menu of the boards with the same tags, or one address.
import { SceneObjectBase } from '@grafana/scenes';
import { ToolbarButton } from '@grafana/ui';

function BoardLinksView({ model }) {
  const { links } = model.useState();
  return links.map((link) => (
    <ToolbarButton key={link.title} variant="canvas" icon={link.asDropdown ? 'bars' : 'external-link-alt'} isOpen={link.asDropdown ? false : undefined}>
      {link.title}
    </ToolbarButton>
  ));
}

export class BoardLinks extends SceneObjectBase {
  static Component = BoardLinksView;
}
