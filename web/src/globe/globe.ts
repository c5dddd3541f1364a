/** The globe itself: made once, told where to look, recoloured with the theme. */

import * as maplibregl from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import worker from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";

import { angle, kmPerPixel, zoomFor, zoomForGlobe } from "../sphere";
import { theme, type Theme } from "../theme";
import { layersOf, PALETTES, styleOf, type Live } from "./style";

const GLOBE_SHARE = 1; // of the free part of the window that the whole globe takes
const CIRCLE_SHARE = 0.5; // the same of a circle that is looked at
const CLOSEST = 8.5;
const FAR_SIDE_DEG = 70; // beyond this a place is at the globe's edge, or behind it
const FLIGHT_MS = 1400;

export class Globe {
  readonly map: maplibregl.Map;
  private wholeWorld = true;

  constructor(
    container: HTMLElement,
    private readonly padding: () => maplibregl.RequireAtLeastOne<maplibregl.PaddingOptions>,
  ) {
    maplibregl.setWorkerUrl(new URL(worker, location.href).href);
    this.map = new maplibregl.Map({
      container,
      style: styleOf(theme.peek()),
      center: [12, 22],
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxPitch: 0,
      maxZoom: 12,
      minZoom: -1,
      renderWorldCopies: false,
      fadeDuration: 0,
      locale: { "Map.Title": "Globe. Arrow keys turn it, plus and minus come closer and go away." },
    });
    this.map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "bottom-left");
    this.map.addControl(new maplibregl.AttributionControl({ compact: false }), "bottom-left");
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.on("movestart", ({ originalEvent }) => {
      if (originalEvent) this.wholeWorld = false;
    });
    this.map.on("resize", () => this.wholeWorld && this.showWorld(false));
    this.showWorld(false);
  }

  /** When the first picture of the world has been drawn. */
  whenDrawn(): Promise<unknown> {
    return this.map.once("load");
  }

  setData(source: Live, data: GeoJSON.FeatureCollection): void {
    this.map.getSource<maplibregl.GeoJSONSource>(source)?.setData(data);
  }

  recolour(to: Theme): void {
    for (const layer of layersOf(to)) {
      for (const [name, value] of Object.entries(layer.paint ?? {})) {
        this.map.setPaintProperty(layer.id, name as never, value as never);
      }
    }
    const { sky } = PALETTES[to];
    this.map.setSky({ ...styleOf(to).sky, "sky-color": sky, "horizon-color": sky });
  }

  kmPerPixel(): number {
    return kmPerPixel(this.map.getZoom(), this.map.getCenter().lat);
  }

  showWorld(moving = true): void {
    const free = this.freePixels();
    this.wholeWorld = true;
    this.go({ zoom: zoomForGlobe(GLOBE_SHARE * free) }, moving);
  }

  /** Looks at a circle from high enough to see what lies around it. */
  lookAt(place: { latitude: number; longitude: number }, km: number): void {
    const zoom = Math.min(CLOSEST, zoomFor(2 * km, CIRCLE_SHARE * this.freePixels(), place.latitude));
    const world = zoomForGlobe(GLOBE_SHARE * this.freePixels());
    this.wholeWorld = false;
    this.go({ center: [place.longitude, place.latitude], zoom: Math.max(world, zoom) }, true);
  }

  /** Turns the globe so that a place is seen, if it is not. */
  bringIntoSight(place: { latitude: number; longitude: number }): void {
    const center: [number, number] = [place.longitude, place.latitude];
    const { x, y } = this.map.project(center);
    const { clientWidth, clientHeight } = this.map.getContainer();
    const { top = 0, bottom = 0, left = 0, right = 0 } = this.padding() as maplibregl.PaddingOptions;
    const within = x > left && x < clientWidth - right && y > top && y < clientHeight - bottom;
    const { lat, lng } = this.map.getCenter();
    if (!within || angle([lng, lat], center) > FAR_SIDE_DEG) this.go({ center, zoom: this.map.getZoom() }, true);
  }

  private go(camera: { center?: [number, number]; zoom: number }, moving: boolean): void {
    const options = { ...camera, padding: this.padding() as maplibregl.PaddingOptions };
    // Not "essential": who asked the system for less motion gets a jump.
    if (moving) this.map.flyTo({ ...options, duration: FLIGHT_MS, curve: 1.3 });
    else this.map.jumpTo(options);
  }

  private freePixels(): number {
    const { clientWidth, clientHeight } = this.map.getContainer();
    const { top = 0, bottom = 0, left = 0, right = 0 } = this.padding() as maplibregl.PaddingOptions;
    return Math.max(160, Math.min(clientWidth - left - right, clientHeight - top - bottom));
  }
}
