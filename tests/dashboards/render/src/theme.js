import { createTheme } from '@grafana/data';
import { address } from './address';

export const theme = createTheme({ colors: { mode: address.theme } });
