/** Works out when a failed delivery would be tried again, as the retry node will. */
(() => {
  if (!globalThis.DataDistribution) globalThis.DataDistribution = {};
  const shared = globalThis.DataDistribution;
  if (shared.retryPlan) return;

  const standard = {
    attempts: "6",
    firstDelaySeconds: "30",
    factor: "2",
    maxDelaySeconds: "600",
    jitterPercent: "15",
    timeLimitMinutes: "60",
    codes: "",
    kinds: ["unavailable", "throttled", "changed", "local", "cancelled"],
  };

  /** What the fields show for each named policy; the runtime has the same under the same names. */
  shared.retryPresets = {
    standard,
    "three-quick-tries": { ...standard, attempts: "3", firstDelaySeconds: "1", jitterPercent: "0" },
  };

  /**
   * The waits between attempts, in seconds, without jitter and as if an attempt took no time.
   * `endedBy` says what stops it: the number of attempts or the time limit.
   */
  shared.retryPlan = ({ attempts, firstDelaySeconds, factor, maxDelaySeconds, timeLimitMinutes }) => {
    const waits = [];
    let elapsed = 0;
    while (waits.length < attempts - 1) {
      const wait = Math.min(maxDelaySeconds, firstDelaySeconds * factor ** waits.length);
      if (elapsed + wait > timeLimitMinutes * 60) return { waits, elapsed, endedBy: "time" };
      elapsed += wait;
      waits.push(wait);
    }
    return { waits, elapsed, endedBy: "attempts" };
  };

  /** `90` → `1 min 30 s`: the two largest units. */
  shared.describeSeconds = (exactSeconds) => {
    const seconds = exactSeconds < 60 ? exactSeconds : Math.round(exactSeconds);
    const units = [
      ["d", 86_400],
      ["h", 3_600],
      ["min", 60],
    ];
    const [unit, size] = units.find(([, length]) => seconds >= length) ?? ["s", 1];
    if (unit === "s") return `${Math.round(seconds * 10) / 10} s`;
    const [smaller, smallerSize] = units[units.findIndex(([name]) => name === unit) + 1] ?? ["s", 1];
    const rest = Math.round((seconds % size) / smallerSize);
    const whole = Math.floor(seconds / size);
    if (rest * smallerSize === size) return `${whole + 1} ${unit}`;
    return rest > 0 ? `${whole} ${unit} ${rest} ${smaller}` : `${whole} ${unit}`;
  };

  /** `[30, 60, 600, 600]` → `30 s, 1 min, 10 min × 2`. */
  shared.describeWaits = (waits) => {
    const runs = [];
    for (const wait of waits) {
      const text = shared.describeSeconds(wait);
      const last = runs.at(-1);
      if (last?.text === text) last.count += 1;
      else runs.push({ text, count: 1 });
    }
    return runs.map(({ text, count }) => (count > 1 ? `${text} × ${count}` : text)).join(", ");
  };
})();
