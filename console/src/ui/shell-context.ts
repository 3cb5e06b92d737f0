import { createContext, useContext } from "react";

/** What pages may ask of the frame around them. */
export interface ShellActions {
  openCreate: () => void;
}

export const ShellContext = createContext<ShellActions>({ openCreate: () => undefined });

export function useShell(): ShellActions {
  return useContext(ShellContext);
}
