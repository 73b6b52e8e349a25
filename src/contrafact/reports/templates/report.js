"use strict";
// Without this script the page is complete: native players, tables one below
// the other. It adds playheads on the waveforms, tabs and copy buttons.
(() => {
  const clock = (s) => {
    const tenths = Math.max(Math.round(s * 10), 0);
    const seconds = String(Math.floor((tenths % 600) / 10)).padStart(2, "0");
    return `${Math.floor(tenths / 600)}:${seconds}.${tenths % 10}`;
  };
  const players = [];

  const setUpPlayer = (root) => {
    const audio = root.querySelector("audio");
    if (!audio) return;
    const [button, wave, head, time] = [".toggle", ".wave", ".head", ".time"].map(
      (name) => root.querySelector(name)
    );
    const duration = Number(root.dataset.duration);
    const label = root.dataset.label;
    let frame = 0;

    const draw = () => {
      const now = Math.min(audio.currentTime, duration);
      head.style.left = `${duration ? (100 * now) / duration : 0}%`;
      time.textContent = `${clock(now)} / ${clock(duration)}`;
      wave.setAttribute("aria-valuenow", now.toFixed(1));
      wave.setAttribute("aria-valuetext", `${now.toFixed(1)} of ${duration.toFixed(1)} seconds`);
      if (!audio.paused) frame = requestAnimationFrame(draw);
    };
    const seek = (seconds) => {
      audio.currentTime = Math.min(Math.max(seconds, 0), Math.max(duration - 0.05, 0));
      draw();
    };
    const follow = () => {
      const playing = !audio.paused && !audio.ended;
      button.classList.toggle("playing", playing);
      button.setAttribute("aria-label", `${playing ? "Pause" : "Play"}: ${label}`);
      cancelAnimationFrame(frame);
      draw();
    };
    const seekTo = (event) => {
      const box = wave.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * duration);
    };

    audio.removeAttribute("controls");
    [button, head, time].forEach((element) => (element.hidden = false));
    root.classList.add("enhanced");
    const slider = { role: "slider", tabindex: "0", "aria-label": `Position: ${label}`,
      "aria-valuemin": "0", "aria-valuemax": duration.toFixed(1) };
    Object.entries(slider).forEach(([name, value]) => wave.setAttribute(name, value));
    button.addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
    wave.addEventListener("pointerdown", (event) => {
      wave.setPointerCapture(event.pointerId);
      seekTo(event);
    });
    wave.addEventListener("pointermove", (event) => {
      if (wave.hasPointerCapture(event.pointerId)) seekTo(event);
    });
    wave.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 0.5, ArrowUp: 0.5, ArrowLeft: -0.5, ArrowDown: -0.5 };
      if (event.key in steps) seek(audio.currentTime + steps[event.key]);
      else if (event.key === "Home") seek(0);
      else if (event.key === "End") seek(duration);
      else if (event.key === " " || event.key === "Enter") button.click();
      else return;
      event.preventDefault();
    });
    audio.addEventListener("play", () => {
      players.forEach((other) => other !== audio && other.pause());
      follow();
    });
    ["pause", "ended", "seeked", "loadedmetadata"].forEach((name) =>
      audio.addEventListener(name, follow)
    );
    players.push(audio);
    follow();
  };

  const setUpTabs = (list) => {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const panels = tabs.map((tab) => document.getElementById(tab.getAttribute("aria-controls")));
    const select = (index) => {
      tabs.forEach((tab, i) => {
        tab.setAttribute("aria-selected", String(i === index));
        tab.tabIndex = i === index ? 0 : -1;
        panels[i].classList.toggle("folded", i !== index);
      });
    };
    tabs.forEach((tab, i) => {
      panels[i].setAttribute("role", "tabpanel");
      panels[i].setAttribute("aria-labelledby", tab.id);
      tab.addEventListener("click", () => select(i));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = (i + step + tabs.length) % tabs.length;
        select(next);
        tabs[next].focus();
      });
    });
    list.hidden = false;
    list.parentElement.classList.add("tabbed");
    select(Math.max(tabs.findIndex((t) => t.getAttribute("aria-selected") === "true"), 0));
  };

  const setUpCopy = (button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      const range = document.createRange();
      range.selectNodeContents(button.parentElement.querySelector("code"));
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      // `execCommand` also works from file://, where the clipboard API may not.
      button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
  };

  document.querySelectorAll(".player").forEach(setUpPlayer);
  document.querySelectorAll("[role=tablist]").forEach(setUpTabs);
  document.querySelectorAll(".copy").forEach(setUpCopy);
})();
