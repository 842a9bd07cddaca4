// CPU-bound work: objects, maps, strings, numbers and what they leave to the collector. Prints its name and nanoseconds for
// each byte it reads.
const fs = require("fs");
function work() {
    const bodies = Array.from({ length: 2000 }, (_, i) => ({ place: i, speed: -i }));
    for (let round = 0; round < 400; round++)
        for (const body of bodies) {
            body.place += body.speed * 0.01;
            body.speed -= body.place * 0.01;
        }
    const words = new Map();
    for (let i = 0; i < 200000; i++) {
        const word = "w" + ((i * 7919) % 5003);
        words.set(word, (words.get(word) || 0) + 1);
    }
    const text = JSON.stringify([...words]);
    let total = 0;
    for (let i = 0; i < 60; i++) total += JSON.parse(text).length;
    return total;
}
const byte = Buffer.alloc(1);
while (fs.readSync(0, byte, 0, 1, null) > 0) {
    const before = process.hrtime.bigint();
    work();
    console.log("node", Number(process.hrtime.bigint() - before));
}
