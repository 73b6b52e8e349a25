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

  // A cell of a heat map is heard: its span of the song, then of the recording.
  const setUpHeat = (figure) => {
    const parts = [...figure.querySelectorAll("audio")];
    if (parts.length < 2) return;
    const [svg, cell, hint] = ["svg", ".cell", ".hint"].map((name) => figure.querySelector(name));
    const { width, height } = svg.viewBox.baseVal;
    const [span, song, recording] = ["span", "song", "recording"].map((name) => Number(figure.dataset[name]));
    const at = [0, 0];
    let wait = 0;

    const show = (column, row) => {
      at[0] = Math.min(Math.max(column, 0), width - 1);
      at[1] = Math.min(Math.max(row, 0), height - 1);
      cell.setAttribute("x", at[0]);
      cell.setAttribute("y", at[1]);
      cell.removeAttribute("hidden");
      hint.textContent = `Song at ${clock(song + at[1] * span)}, recording at ${clock(recording + at[0] * span)}.`;
    };
    const stop = () => {
      clearTimeout(wait);
      parts.forEach((part) => part.pause());
    };
    const hear = (which) => {
      const part = parts[which];
      part.currentTime = at[1 - which] * span;
      part.play().then(() => {
        wait = setTimeout(() => {
          part.pause();
          if (which === 0) hear(1);
        }, span * 1000);
      }, () => {});
    };
    const start = () => {
      stop();
      players.forEach((other) => other.pause());
      hear(0);
    };

    svg.setAttribute("role", "application");
    svg.setAttribute("tabindex", "0");
    hint.hidden = false;
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      show(
        Math.floor(((event.clientX - box.left) / box.width) * width),
        Math.floor(((event.clientY - box.top) / box.height) * height)
      );
      start();
    });
    svg.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key in steps) show(at[0] + steps[event.key][0], at[1] + steps[event.key][1]);
      else if (event.key === "Enter" || event.key === " ") start();
      else return;
      event.preventDefault();
    });
    parts.forEach((part) => players.push(part));
  };

  document.querySelectorAll(".player").forEach(setUpPlayer);
  document.querySelectorAll(".heat").forEach(setUpHeat);
  document.querySelectorAll("[role=tablist]").forEach(setUpTabs);
  document.querySelectorAll(".copy").forEach(setUpCopy);
})();
