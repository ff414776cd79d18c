/* Reads the table, finds out who is thirsty today, and fills the list. */
const dayLength = 24 * 60 * 60 * 1000;

/* Days since a fixed Monday, in the visitor's own time zone. */
function dayNumber(date) {
	const monday = new Date(2024, 0, 1);
	return Math.floor((date - monday) / dayLength);
}

/* One plant a row; the first row is the heading. */
function readPlants(table) {
	const plants = [];
	for (const row of Array.from(table.rows).slice(1)) {
		const texts = Array.from(row.cells).map(function (cell) { return cell.textContent; });
		plants.push({ name: texts[0], place: texts[1], days: Number(texts[2]), litres: Number(texts[3]) });
	}
	return plants;
}

/* A plant that drinks every n days is thirsty on days 0, n, 2n and so on. */
function thirsty(plants, today) {
	return plants.filter(function (plant) { return today % plant.days === 0; });
}

/* Shows one line a thirsty plant, or that there is nothing to do. */
function show(list, plants) {
	for (const plant of plants) {
		const item = document.createElement("li");
		item.textContent = plant.name + " in the " + plant.place + ": " + plant.litres + " litres";
		list.append(item);
	}
	if (plants.length === 0) {
		list.textContent = "Nobody is thirsty today.";
	}
}

show(document.getElementById("today"), thirsty(readPlants(document.getElementById("plants")), dayNumber(new Date())));
