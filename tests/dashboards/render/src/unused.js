// Stands for packages that are imported and never used here.
export default {};
export const loader = { config() {}, init() {} };
export const Editor = () => null;
export const languages = {};
export const editor = {};
export const Uri = {};
