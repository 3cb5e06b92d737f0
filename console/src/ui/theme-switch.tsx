import { setTheme, type Theme, THEMES, useTheme } from "../lib/theme";
import { Icon, type IconName } from "./icons";

const LOOKS: Record<Theme, { name: string; icon: IconName }> = {
  system: { name: "System", icon: "screen" },
  light: { name: "Light", icon: "sun" },
  dark: { name: "Dark", icon: "moon" },
};

/** Light, dark, or as the system says. */
export function ThemeSwitch({ compact = false }: { compact?: boolean }) {
  const theme = useTheme();
  return (
    <div className={`segments ${compact ? "compact" : ""}`} role="group" aria-label="Theme">
      {THEMES.map((choice) => (
        <button
          key={choice}
          type="button"
          className="segment"
          aria-pressed={choice === theme}
          aria-label={compact ? `${LOOKS[choice].name} theme` : undefined}
          title={compact ? `${LOOKS[choice].name} theme` : undefined}
          onClick={() => setTheme(choice)}
        >
          <Icon name={LOOKS[choice].icon} />
          {!compact && LOOKS[choice].name}
        </button>
      ))}
    </div>
  );
}
