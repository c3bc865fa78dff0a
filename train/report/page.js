// Choices of layer and head, and the weight under the pointer; without scripts the drawings are as they were written.
(() => {
  const element = document.getElementById('data');
  if (!element) return;
  const data = JSON.parse(element.textContent), {layers, heads, relative, over, maps} = data;
  const figures = [...document.querySelectorAll('.map')];
  const pick = document.createElement('div');
  pick.className = 'pick';
  const select = (name, count, mean) => {
    const label = document.createElement('label'), list = document.createElement('select');
    for (let i = 0; i < count; i++) list.add(new Option(String(i + 1), i));
    if (count > 1) list.add(new Option(mean, -1));
    label.append(name + ' ', list);
    pick.append(label);
    return list;
  };
  const layer = select('layer', layers, 'mean of all'), head = select('head', heads, 'mean of all');
  layer.value = layers - 1;
  head.value = heads > 1 ? -1 : 0;
  figures[0].before(pick);
  const chosen = (value, count) => value < 0 ? [...Array(count).keys()] : [value];
  const show = () => {
    const planes = [];
    for (const l of chosen(+layer.value, layers)) for (const h of chosen(+head.value, heads)) planes.push(l * heads + h);
    maps.forEach((map, m) => {
      const cells = figures[m].querySelectorAll('.cells rect'), size = map.source.length * map.target.length;
      map.now = [];
      for (let i = 0; i < size; i++) {
        let sum = 0;
        for (const p of planes) sum += parseInt(map.weights.substr(3 * (p * size + i), 3), 16);
        map.now[i] = sum / planes.length / 4095;
      }
      const columns = map.source.length;
      for (let i = 0, whole = 1; i < size; i++) {
        if (relative && i % columns === 0) whole = Math.max(...map.now.slice(i, i + columns), 1e-9);
        const share = map.now[i] / whole;
        cells[i].setAttribute('fill-opacity', (over ? .85 * (1 - share) : share).toFixed(3));
      }
    });
    const name = (list, what) => +list.value < 0 ? 'the mean of all ' + what + 's' : what + ' ' + (+list.value + 1);
    document.getElementById('shown').textContent = name(layer, 'layer') + ', ' + name(head, 'head');
  };
  maps.forEach((map, m) => {
    const said = document.createElement('div');
    said.className = 'said';
    figures[m].append(said);
    const cells = [...figures[m].querySelectorAll('.cells rect')];
    const tell = event => {
      const i = cells.indexOf(event.target), columns = map.source.length;
      if (i >= 0) said.textContent = map.target[Math.floor(i / columns)] + ' looks at ' + map.source[i % columns] +
        ': ' + map.now[i].toFixed(2);
    };
    figures[m].addEventListener('pointerover', tell);
    figures[m].addEventListener('pointerdown', tell);
  });
  layer.addEventListener('change', show);
  head.addEventListener('change', show);
  show();
})();
