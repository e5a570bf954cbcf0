// The browser of trajectories in a report: the one of the live page, over what the file holds.
import { drawTrajectories, openIds } from "./trajectories.js";
import { runs } from "./view.js";

const place = document.getElementById("trajectories");

// On a narrow screen, what is opened stands above the list, out of sight.
async function changed() {
  const before = openIds().join();
  await drawTrajectories(place, runs);
  if (before) place.querySelector(".opened")?.scrollIntoView({ block: "nearest" });
}

addEventListener("viewchange", changed);
drawTrajectories(place, runs);
