// How a variable's value stands in PromQL: what may be several goes into a regular expression, a single one into a string.

const escaped = (value) => value.replace(/[\\^$*{}[\]'+?.()|]/g, '\\\\$&');

export function quoted(value, variable) {
  if (!variable.multi && !variable.includeAll && !variable.isMulti) {
    return String(value).replace(/\\/g, '\\\\').replace(/"/g, '\\"');
  }
  const each = [value].flat().map(escaped);
  return each.length === 1 ? each[0] : `(${each.join('|')})`;
}
