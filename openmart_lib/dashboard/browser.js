// Shorter ways by keyboard, and emails copied plain. Without this file everything works, by more presses.
(() => {
  if (window.openmartDesk) return // once per tab, however often a page is drawn
  window.openmartDesk = true
  const BOX = "[data-testid=stPopoverBody]"
  const STOPS = "button, input, select, textarea, summary, a[href], [tabindex='0']"
  let byKey = false
  let opener = null

  const stops = box =>
    [...box.querySelectorAll(STOPS)].filter(one => one.tabIndex >= 0 && !one.disabled && one.offsetParent)

  // A box stands at the end of the document, behind everything else: go in when it opens, come back after.
  // What is in it is drawn piece by piece, and first pieces anew: until it stays, for a second at most.
  const enter = until => {
    const box = document.querySelector(BOX)
    if (!box || !byKey || performance.now() > until) return
    if (document.activeElement === document.body || document.activeElement === opener) stops(box)[0]?.focus()
    requestAnimationFrame(() => enter(until))
  }
  const boxOf = node => (node.matches?.(BOX) ? node : node.querySelector?.(BOX))
  new MutationObserver(changes => {
    for (const { addedNodes, removedNodes } of changes) {
      for (const node of addedNodes) {
        const box = byKey && boxOf(node)
        if (box && !box.contains(document.activeElement)) {
          if (document.activeElement !== document.body) opener = document.activeElement
          enter(performance.now() + 1000)
        }
      }
      for (const node of removedNodes)
        if (boxOf(node) && document.activeElement === document.body) opener?.focus()
    }
  }).observe(document.body, { childList: true, subtree: true })

  const onTab = event => {
    const at = document.activeElement
    const table = at?.closest("[data-testid=stDataFrame]")
    if (at?.tagName === "CANVAS" && table && !table.querySelector("[aria-label*='can be edited']")) {
      event.stopImmediatePropagation() // arrows walk through the cells; Tab leaves the table
      return
    }
    const box = at?.closest(BOX)
    if (!box) return
    const all = stops(box)
    if (at === (event.shiftKey ? all[0] : all[all.length - 1]) && opener?.isConnected) {
      event.preventDefault()
      opener.focus()
    }
  }
  // A table copies the address behind a link; of an email that is "mailto:" and what is wanted.
  addEventListener("copy", ({ clipboardData }) => {
    const put = clipboardData?.setData.bind(clipboardData)
    if (put) clipboardData.setData = (type, text) => put(type, text.replaceAll("mailto:", ""))
  }, true)
  addEventListener("pointerdown", () => (byKey = false), true)
  addEventListener("keydown", event => {
    byKey = true
    if (event.key === "Tab") onTab(event)
  }, true)
})()
