try {
  const theme = localStorage.getItem('certplane.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be switched off; the system's scheme is used then.
}
